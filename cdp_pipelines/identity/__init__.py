"""Identity resolution: which records are about one person, on what evidence, and how well that agrees with a truth."""

from cdp_pipelines.identity.evaluate import evaluate
from cdp_pipelines.identity.memory import Memory
from cdp_pipelines.identity.policy import IdentityPolicy
from cdp_pipelines.identity.resolve import Resolution, resolve

__all__ = ["IdentityPolicy", "Memory", "Resolution", "evaluate", "resolve"]
