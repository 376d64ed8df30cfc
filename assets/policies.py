"""What is declared under `defs/`, for those who need all of a kind at once: every channel, every purpose."""

from functools import cache
from pathlib import Path

from cdp_pipelines.channel.contract import ChannelContract, load_contracts
from cdp_pipelines.consent import bound
from cdp_pipelines.consent.cases import Case, load_cases
from cdp_pipelines.consent.controller import Controller, load_controller
from cdp_pipelines.consent.purpose import UNIFICATION, Register, load_register
from cdp_pipelines.declared import declared
from cdp_pipelines.golden.survivorship import Survivorship
from cdp_pipelines.identity.policy import IdentityPolicy, load_policy
from cdp_pipelines.retention import RetentionPolicy

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
    """Every purpose by key, each in all its versions."""
    return load_register(DEFS / "purposes")


@cache
def identity() -> IdentityPolicy:
    """How records are held to be one person."""
    return load_policy(DEFS / "identity" / "defs.yaml")


@cache
def survivorship() -> Survivorship:
    """Which value of a customer's records survives."""
    return declared(DEFS / "golden" / "defs.yaml", Survivorship)


@cache
def cases() -> tuple[Case, ...]:
    """Every declared case of vital or public interest."""
    return load_cases(DEFS / "purposes", register())
