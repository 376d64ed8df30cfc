"""What a company declares in one `defs.yaml`, as its typed policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from cdp_pipelines.errors import PolicyError

if TYPE_CHECKING:
    from pathlib import Path

Policy = TypeVar("Policy", bound=BaseModel)


class PolicyModel(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def load_policy_file(path: Path, policy: type[Policy]) -> Policy:
    """The policy under `attributes`; `PolicyError` names file, field, what was found and what is allowed."""
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return policy.model_validate(told.get("attributes"))
    except yaml.YAMLError:
        raise PolicyError(str(path), (("(the whole)", "is no YAML"),)) from None
    except ValidationError as error:
        raise PolicyError.from_validation(str(path), error) from None
