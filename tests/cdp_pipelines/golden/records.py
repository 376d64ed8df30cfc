"""Records of customers as the tables of the lake hold them, and the golden record of these."""

from datetime import UTC, datetime, timedelta

import polars as pl

from cdp_pipelines.golden import contact_point, rectification
from cdp_pipelines.golden.customer import build_customer
from cdp_pipelines.golden.golden_input import GoldenInput
from cdp_pipelines.golden.policy import SurvivorshipPolicy
from cdp_pipelines.golden.survivorship import build_provenance
from cdp_pipelines.schema import CONSENT_EVENT, CROSSWALK, LEDGER, PARTY, PREFERENCE, RECTIFICATION

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=1000)
C = "c_000000000000000a"
COLLECTED = {"crm": ("service", "letters"), "shop": ("service",), "call": ("service",), "receipts": ("evidence",)}


def frame(table, rows):
    return pl.DataFrame([{**dict.fromkeys(table.schema), **row} for row in rows], schema=table.schema).lazy()


def party_of(records):
    """Records of (channel, day, what they say), named r0, r1 and so on."""
    return frame(
        PARTY,
        [
            {"source_record_id": f"r{i}", "observed_at": START + timedelta(days=day), "channel": channel, **says}
            for i, (channel, day, says) in enumerate(records)
        ],
    )


def crosswalk_of(*frames, customers=None, profiled=True):
    """Every record of these frames; `customers`: record id to customer, the others are C's."""
    ids = pl.concat([each.select("channel", "source_record_id") for each in frames]).collect()
    return frame(
        CROSSWALK,
        [
            {
                "channel": channel,
                "source_record_id": record,
                "customer_id": (customers or {}).get(record, C),
                "is_exact": True,
                "is_profiled": profiled,
            }
            for channel, record in ids.iter_rows()
        ],
    )


def will(position, kind, value, status, day, purpose="*", **more):
    at = START + timedelta(days=day)
    return {
        "position": position, "event_id": f"e:{position}", "channel": "receipts", "source_record_id": f"w{position}",
        "subject_kind": kind, "subject_value": value, "purpose": purpose, "status": status,
        "event_at": at, "recorded_at": at, "notice_version": "1", "method": "web_form", **more,
    }  # fmt: skip


def put_right(number, record, attribute, value, **more):
    channel, source_record_id = record
    return {
        "rectification_number": number, "channel": channel, "source_record_id": source_record_id, "attribute": attribute,
        "value": value, "rectified_by": "clerk", "reason": "asked", "rectified_at": NOW, **more,
    }  # fmt: skip


def policy_of(rules=("recency",), **more):
    return SurvivorshipPolicy(source_priority=("crm", "shop"), default=rules, **more)


def input_of(party, preference, crosswalk, policy, *, consents=(), ledger=(), rectified=()):
    """What the golden record of these records rests on."""
    return GoldenInput(
        party=party,
        preference=preference,
        crosswalk=crosswalk,
        consent_event=frame(CONSENT_EVENT, consents),
        states=contact_point.build_contact_point_states(frame(LEDGER, ledger), policy.verified_by, NOW),
        rectified=rectification.select_current(frame(RECTIFICATION, rectified), crosswalk, policy.group_of),
    )


def golden(
    records, policy, *, consents=(), preferences=(), ledger=(), rectified=(), customers=None, profiled=True
):  # fmt: skip
    """(provenance, customer) of these records."""
    party, preference = party_of(records), frame(PREFERENCE, preferences)
    crosswalk = crosswalk_of(party, preference, customers=customers, profiled=profiled)
    stated = {"consents": consents, "ledger": ledger, "rectified": rectified}
    golden_input = input_of(party, preference, crosswalk, policy, **stated)
    found = build_provenance(golden_input, COLLECTED, policy).collect()
    return found, build_customer(found.lazy(), party, crosswalk).collect()
