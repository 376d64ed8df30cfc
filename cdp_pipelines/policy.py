"""Typed policies: the base model of everything that a company declares, and the reading of one `defs.yaml`.

Here belongs no single policy; each is in the package that applies it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from cdp_pipelines.errors import PolicyError

if TYPE_CHECKING:
    from pathlib import Path

Policy = TypeVar("Policy", bound=BaseModel)


class PolicyModel(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def read_yaml(path: Path) -> Any:
    """What a YAML file states; `yaml.YAMLError` where it is none. libyaml reads it ten times as fast as Python does."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def load_policy_file(path: Path, policy: type[Policy]) -> Policy:
    """The policy under `attributes`; `PolicyError` names file, field, what was found and what is allowed."""
    try:
        declared = read_yaml(path) or {}
        return policy.model_validate(declared.get("attributes"))
    except yaml.YAMLError:
        raise PolicyError(str(path), (("(the whole)", "is not valid YAML"),)) from None
    except ValidationError as error:
        raise PolicyError.from_validation(str(path), error) from None
