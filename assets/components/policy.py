"""A component whose attributes are one of our typed policies: Dagster and the command line read the same YAML."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import dagster as dg
from pydantic import BaseModel

Policy = TypeVar("Policy", bound=BaseModel)


@dataclass
class PolicyComponent(dg.Component, Generic[Policy]):
    """Holds the policy and the name of the folder that declares it."""

    policy: Policy

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "PolicyComponent":
        """From the validated attributes; the folder's name is the key of what is declared."""
        return cls(cls.named(attributes, context.path.name))

    @classmethod
    def named(cls, policy: Policy, key: str) -> Policy:  # noqa: ARG003  for those whose policy has a key
        """The policy, knowing its key."""
        return policy
