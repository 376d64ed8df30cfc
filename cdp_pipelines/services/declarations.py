"""The declarations of the company, all of a kind at once: every channel, every purpose.

Where the company's folder lies is decided here and nowhere else; what a declaration means is the domain's.
"""

import os
from functools import cache
from hashlib import sha256
from importlib import import_module, metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING

from cdp_pipelines.channels.contract import ChannelContract, load_contracts
from cdp_pipelines.consent import list_non_linking
from cdp_pipelines.consent.cases import Case, load_cases
from cdp_pipelines.errors import PolicyError, UnknownNameError
from cdp_pipelines.golden.policy import SurvivorshipPolicy
from cdp_pipelines.lineage import check_all_minimised
from cdp_pipelines.policy import load_policy_file
from cdp_pipelines.purposes.company import Company
from cdp_pipelines.purposes.controller import Controller, load_controller
from cdp_pipelines.purposes.purpose import UNIFICATION, Purpose
from cdp_pipelines.purposes.register import Register, load_register
from cdp_pipelines.retention import RetentionPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdp_pipelines.identity.policy import IdentityPolicy

# The demonstration company, unless CDP_COMPANY names the folder of another.
DEMONSTRATION = Path(str(resources.files("assets"))) / "defs" / "demonstration"
COMPANY = Path(os.environ.get("CDP_COMPANY", DEMONSTRATION)).resolve()


@cache
def load_company() -> Company:
    """What the company declares once for all of its channels and purposes."""
    return load_policy_file(COMPANY / "company.yaml", Company)


@cache
def load_all_contracts() -> dict[str, ChannelContract]:
    """Every channel by name."""
    return load_contracts(COMPANY / "channels", load_company().phone_region)


@cache
def non_linking_channels() -> list[str]:
    """Channels whose data may not unify profiles."""
    return list_non_linking({key: contract.collected_for for key, contract in load_all_contracts().items()})


@cache
def linking_channels() -> dict[str, list[str]]:
    """Purpose with links of its own to the channels whose data may link for it."""
    linking = {each.unification for each in load_company_register().values()} - {UNIFICATION}
    return {
        key: [name for name, each in load_all_contracts().items() if {key, UNIFICATION} & {*each.collected_for}]
        for key in sorted(linking)
    }


@cache
def load_company_controller() -> Controller:
    """The controller of every purpose."""
    return load_controller(COMPANY / "controller.yaml")


@cache
def load_retention() -> RetentionPolicy:
    """The hold of ended values, and the retention of refused records."""
    return load_policy_file(COMPANY / "retention.yaml", RetentionPolicy)


@cache
def load_company_register() -> Register:
    """Every purpose by key, in all its versions.

    `PolicyError` for a mart that takes more than its purpose permits, and for a channel that names an unknown purpose.
    """
    register = load_register(COMPANY / "purposes")
    check_collected_for(load_all_contracts().values(), register)
    check_all_minimised(register, load_all_contracts(), purpose_file)
    return register


def check_collected_for(contracts: "Iterable[ChannelContract]", register: Register) -> None:
    """`PolicyError` where a channel is collected for a purpose that the register does not have."""
    for contract in contracts:
        for key in contract.collected_for:
            if key not in register:
                file = COMPANY / "channels" / contract.name / "defs.yaml"
                raise PolicyError(str(file), (("collected_for", str(UnknownNameError("purpose", key, register))),))


def find_purpose(key: str) -> Purpose:
    """The newest version of a purpose; `UnknownNameError` where the register has none of this key."""
    register = load_company_register()
    if key not in register:
        raise UnknownNameError("purpose", key, register)
    return register[key]


def find_purpose_of_mart(key: str) -> Purpose:
    """The purpose of a mart; `UnknownNameError` where no purpose of this key has a mart."""
    marts = {name: purpose for name, purpose in load_company_register().items() if purpose.columns}
    if key not in marts:
        raise UnknownNameError("mart", key, marts)
    return marts[key]


def purpose_file(key: str) -> str:
    """The file that declares a purpose, for messages."""
    return str(next((COMPANY / "purposes").rglob(f"{key}/defs.yaml")))


@cache
def load_identity_policy() -> "IdentityPolicy":
    """The rules by which records are linked to one customer."""
    from cdp_pipelines.identity.policy import load_policy

    return load_policy(COMPANY / "identity" / "defs.yaml")


@cache
def load_survivorship() -> SurvivorshipPolicy:
    """The rules by which values of a customer's records survive."""
    return load_policy_file(COMPANY / "golden" / "defs.yaml", SurvivorshipPolicy)


@cache
def digest_declarations() -> str:
    """A digest of every file of the company's folder, as they were when this process first read them."""
    digest = sha256()
    for path in sorted(path for path in COMPANY.rglob("*") if path.is_file()):
        for part in (str(path.relative_to(COMPANY)).encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


@cache
def identity_code_digest() -> str:
    """A digest of the code and the versions of the libraries that resolve identities."""
    own = sorted(Path(str(import_module("cdp_pipelines.identity").__file__)).parent.glob("*.py"))
    libraries = (
        "anyascii", "jellyfish", "nicknames", "numpy", "polars", "polars-strsim", "recordlinkage", "scikit-learn",
        "scipy",
    )  # fmt: skip
    versions = "".join(f"{name}=={metadata.version(name)}" for name in libraries)
    return sha256(b"".join(path.read_bytes() for path in own) + versions.encode()).hexdigest()


@cache
def load_company_cases() -> tuple[Case, ...]:
    """Every declared case of vital or public interest."""
    return load_cases(COMPANY / "purposes", load_company_register())
