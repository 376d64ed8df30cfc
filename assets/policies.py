"""What is declared under `defs/`, for those who need all of a kind at once: every channel, every purpose."""

from functools import cache
from hashlib import sha256
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING

from cdp_pipelines.channel.contract import ChannelContract, load_contracts
from cdp_pipelines.consent import bound
from cdp_pipelines.consent.cases import Case, load_cases
from cdp_pipelines.consent.controller import Controller, load_controller
from cdp_pipelines.consent.purpose import UNIFICATION, Register, load_register
from cdp_pipelines.declared import declared
from cdp_pipelines.golden.survivorship import Survivorship
from cdp_pipelines.lineage import all_minimised
from cdp_pipelines.retention import RetentionPolicy

if TYPE_CHECKING:
    from cdp_pipelines.identity.policy import IdentityPolicy

DEFS = Path(__file__).parent / "defs"


@cache
def contracts() -> dict[str, ChannelContract]:
    """Every channel by name."""
    return load_contracts(DEFS / "channels")


@cache
def bound_channels() -> list[str]:
    """Channels whose data may not unify profiles."""
    return bound({key: contract.collected_for for key, contract in contracts().items()})


@cache
def linking_channels() -> dict[str, list[str]]:
    """Purposes that asked for links of their own data, to the channels whose data may link for them."""
    asked = {each.unification for each in register().values()} - {UNIFICATION}
    return {
        key: [name for name, each in contracts().items() if {key, UNIFICATION} & {*each.collected_for}]
        for key in sorted(asked)
    }


@cache
def controller() -> Controller:
    """Who is responsible for every purpose."""
    return load_controller(DEFS / "purposes" / "controller.yaml")


@cache
def retention() -> RetentionPolicy:
    """How long what has ended is held, and what was refused."""
    return declared(DEFS / "purposes" / "retention.yaml", RetentionPolicy)


@cache
def register() -> Register:
    """Every purpose by key, each in all its versions; none whose mart takes more than it permits."""
    found = load_register(DEFS / "purposes")
    all_minimised(found, contracts(), purpose_file)
    return found


def purpose_file(key: str) -> str:
    """The file that declares a purpose, for messages."""
    return str(next((DEFS / "purposes").rglob(f"{key}/defs.yaml")))


@cache
def identity() -> "IdentityPolicy":
    """How records are held to be one person."""
    from cdp_pipelines.identity.policy import load_policy

    return load_policy(DEFS / "identity" / "defs.yaml")


@cache
def survivorship() -> Survivorship:
    """Which value of a customer's records survives."""
    return declared(DEFS / "golden" / "defs.yaml", Survivorship)


@cache
def comparing() -> str:
    """A digest of the code and the versions of the libraries that resolve identities."""
    ours = sorted(Path(import_module("cdp_pipelines.identity").__file__).parent.glob("*.py"))
    names = ("anyascii", "jellyfish", "nicknames", "numpy", "polars", "polars-strsim", "scipy")
    theirs = "".join(f"{name}=={metadata.version(name)}" for name in names)
    return sha256(b"".join(path.read_bytes() for path in ours) + theirs.encode()).hexdigest()


@cache
def cases() -> tuple[Case, ...]:
    """Every declared case of vital or public interest."""
    return load_cases(DEFS / "purposes", register())
