"""Purposes, the ledger of wills, and the decision: who may be processed for what, why, and since when."""

from cdp_pipelines.consent.batch import extend_batches
from cdp_pipelines.consent.decide import decide
from cdp_pipelines.consent.history import standing, succeed
from cdp_pipelines.consent.identifiers import identifiers
from cdp_pipelines.consent.ledger import extend_ledger
from cdp_pipelines.consent.merge_gate import bound, crosswalk
from cdp_pipelines.consent.purpose import Purpose, Register, load_register

__all__ = [
    "Purpose",
    "Register",
    "bound",
    "crosswalk",
    "decide",
    "extend_batches",
    "extend_ledger",
    "identifiers",
    "load_register",
    "standing",
    "succeed",
]
