"""Identity resolution: which records are about one person, on what evidence, and how well that agrees with a truth."""

from cdp_pipelines.identity.evaluate import evaluate
from cdp_pipelines.identity.policy import IdentityPolicy
from cdp_pipelines.identity.resolve import Resolution, resolve
from cdp_pipelines.identity.scope import ResolutionInput
from cdp_pipelines.identity.state import IdentityState

__all__ = ["IdentityPolicy", "IdentityState", "Resolution", "ResolutionInput", "evaluate", "resolve"]
