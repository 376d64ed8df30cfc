"""The controller: who is responsible for the processing, and its security measures (Art. 30(1)(a) and (g)).

Each purpose has a file of its own: see `register`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import yaml
from pydantic import Field, ValidationError

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.policy import PolicyModel, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

Text = Annotated[str, Field(min_length=1)]


class Controller(PolicyModel):
    """The company that is responsible for every purpose of the register."""

    name: Text = Field(description="Name of the company (Art. 30(1)(a))")
    address: Text = Field(description="Postal address (Art. 30(1)(a))")
    contact: Text = Field(description="Contact for data subjects and authorities (Art. 13(1)(a), 30(1)(a))")
    joint_controller: Text | None = Field(
        None, description="Name and contact of the joint controller, if there is one (Art. 26, 30(1)(a))"
    )
    representative: Text | None = Field(
        None, description="Representative in the Union of a company outside it (Art. 27, 30(1)(a))"
    )
    data_protection_officer: Text | None = Field(
        None, description="Contact of the data protection officer (Art. 37, 30(1)(a))"
    )
    supervisory_authority: Text = Field(
        description="Contact of the authority that supervises the company, for complaints (Art. 13(2)(d), 77)"
    )
    region: str | None = Field(
        None,
        pattern="^[A-Z]{2}(-[A-Z0-9]{1,3})?$",
        description="Where the lake and its marts are stored: ISO 3166 code of a country or region (Art. 30(1)(e))",
    )
    security: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        description="Technical and organisational measures for all purposes (Art. 30(1)(g), 32(1))"
    )


def load_controller(path: Path) -> Controller:
    """The controller of a YAML file; `PolicyError` names the file, the field, what was found and what is missing."""
    file = str(path)
    try:
        return Controller.model_validate(read_yaml(path))
    except FileNotFoundError:
        raise PolicyError(file, (("(the whole)", "the file is missing: the register needs a controller"),)) from None
    except yaml.YAMLError:
        raise PolicyError(file, (("(the whole)", "is not valid YAML"),)) from None
    except ValidationError as error:
        raise PolicyError.from_validation(file, error) from None
