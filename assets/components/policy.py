"""A component whose attributes are one of our typed policies: Dagster and the command line read the same YAML."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import dagster as dg
from pydantic import BaseModel

Policy = TypeVar("Policy", bound=BaseModel)


@dataclass
class PolicyComponent(dg.Component, Generic[Policy]):
    """A component with a policy; the name of its folder is the key of what it declares."""

    policy: Policy

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "PolicyComponent":
        """From the validated attributes."""
        return cls(cls.named(attributes, context.path.name))

    @classmethod
    def named(cls, policy: Policy, key: str) -> Policy:  # noqa: ARG003  for components whose policy has a key
        """The policy with its key."""
        return policy
