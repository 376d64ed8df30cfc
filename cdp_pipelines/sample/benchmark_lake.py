"""Tables of a large lake, to measure answers: as many rows as a real lake has, in the same order.

Here belong made-up rows, table by table; the input of the decision benchmark is in `decision_benchmark`. Each customer
has seven records of six channels, five identifiers, six consent events, a decision for each purpose and a closed one for
some, ten golden values, two contact points, and a membership in about one mart of nine: the proportions of the test
company Anytown. The content of the rows is made up; only their number and order are realistic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.marts.mart import KEY, build_mart_table, find_column
from cdp_pipelines.marts.pseudonym import pseudonymise
from cdp_pipelines.sample.benchmark_customers import (
    AS_OF,
    ATTRIBUTES,
    CHANGED,
    CHUNK,
    CONSENT_EVENTS,
    INTERACTION_TYPES,
    LINKS,
    MEMBER_EVERY,
    NIGHT,
    NIGHT_BEFORE,
    OBSERVED_AT,
    RECORDS,
    VALUES,
    build_rows,
    format_ids,
    interleave,
)
from cdp_pipelines.schema import (
    CLUSTER,
    CONSENT_EVENT,
    CONTACT_POINT,
    CROSSWALK,
    CUSTOMER,
    DECISION,
    HISTORY,
    HOUSEHOLD,
    IDENTIFIER,
    INTERACTION,
    LEDGER,
    LINK,
    MEMBERSHIP,
    PARTY,
    PROVENANCE,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.purposes.purpose import Purpose
    from cdp_pipelines.sample.benchmark_customers import BenchmarkCustomers


def build_record_tables(
    customers: BenchmarkCustomers, contracts: Mapping[str, ChannelContract]
) -> Iterator[tuple[Table, pl.DataFrame]]:
    """Tables sorted by records, identifiers or consent events, chunk by chunk, each chunk in the table's order."""
    for n, (channel, form) in enumerate(RECORDS):
        contract = contracts[channel]
        for v in map(customers.numbers, range(0, customers.n, CHUNK)):
            ids = format_ids(form, v)
            yield contract.raw, _build_raw(contract, f"{n:064x}", ids, v)
            identifiers = {kind: format_ids(value, v) for kind, value in VALUES}
            record = {"channel": channel, "source_record_id": ids, "drop_date": NIGHT, "ingested_at": AS_OF}
            yield (
                PARTY,
                build_rows(
                    PARTY,
                    **record,
                    observed_at=OBSERVED_AT,
                    **identifiers,
                    first_name="Ann",
                    last_name=format_ids("Lee{}", v),
                ),
            )
            if channel in INTERACTION_TYPES:
                done = {
                    "interaction_type": INTERACTION_TYPES[channel],
                    "occurred_at": OBSERVED_AT,
                    "amount_minor": pl.Series(v % 10_000),
                }
                yield INTERACTION, build_rows(INTERACTION, **record, **done, currency_code="USD", quantity=1)
    for one, other in LINKS:
        for v in map(customers.numbers, range(0, customers.n, CHUNK)):
            pair = zip(("left", "right"), (one, other), strict=True)
            sides = [(side, RECORDS[n][0], format_ids(RECORDS[n][1], v)) for side, n in pair]
            named = {f"{side}_channel": channel for side, channel, _ in sides}
            named |= {f"{side}_source_record_id": ids for side, _, ids in sides}
            evidence = pl.lit(["last_name:exact", "email:exact"])
            yield LINK, build_rows(LINK, **named, rule="email", is_exact=True, match_weight=17.5, evidence=evidence)
    for kind, form in VALUES:
        for v in map(customers.numbers, range(0, customers.n, CHUNK)):
            whose = {"value": format_ids(form, v), "kind": kind, "customer_id": customers.ids(customers.k_of(v))}
            yield IDENTIFIER, build_rows(IDENTIFIER, **whose, is_certain=True, is_exclusive=True)
        yield from _build_consent_events(customers, kind, form)


def _build_consent_events(customers: BenchmarkCustomers, kind: str, form: str) -> Iterator[tuple[Table, pl.DataFrame]]:
    events = [(n, *event[1:]) for n, event in enumerate(CONSENT_EVENTS) if event[0] == kind]
    for v in map(customers.numbers, range(0, customers.n, CHUNK)) if events else ():
        parts = []
        for n, record, purpose, status in events:
            channel, named = RECORDS[record]
            ids = format_ids(named, v)
            event = {"event_id": channel + pl.Series([":"]) + ids, "channel": channel, "source_record_id": ids}
            about = {"subject_kind": kind, "subject_value": format_ids(form, v), "purpose": purpose, "status": status}
            when = {"drop_date": NIGHT, "event_at": OBSERVED_AT, "recorded_at": OBSERVED_AT, "ingested_at": AS_OF}
            how = {"notice_version": "2024-01", "method": "web_form"}
            parts.append(
                build_rows(CONSENT_EVENT, **event, **about, **when, **how).with_columns(
                    pl.Series("position", v * len(CONSENT_EVENTS) + n + 1)
                )
            )
        yield LEDGER, LEDGER.conform(interleave(parts).lazy()).collect()
        for part in parts:
            yield CONSENT_EVENT, CONSENT_EVENT.conform(part.lazy()).collect()


def _build_raw(contract: ChannelContract, digest: str, ids: pl.Series, v: np.ndarray) -> pl.DataFrame:
    fields = {
        column: format_ids(f"{field} {{}}", v) if contract.fields[field].category != "other" else "as usual"
        for field, column in contract.columns.items()
    }
    fields[contract.columns[contract.key]] = ids
    stood = {"file": f"{contract.name}.csv", "row_number": pl.Series(v + 1), "line_number": pl.Series(v + 2)}
    came = {"file_sha256": digest, "drop_date": NIGHT, "ingested_at": AS_OF, "is_duplicate": False}
    whole = pl.concat_str(
        [each if isinstance(each, pl.Series) else pl.lit(each) for each in fields.values()], separator=","
    )
    return build_rows(contract.raw, source_record_id=ids, record=whole, **stood, **came, **fields)


def build_customer_tables(
    customers: BenchmarkCustomers, purposes: Mapping[str, Purpose], keys: Mapping[str, str]
) -> Iterator[tuple[Table, pl.DataFrame]]:
    """Tables sorted by customers, chunk by chunk, each chunk in the table's order.

    `keys`: purpose to the key of its mart (see `marts.pseudonym`).
    """
    for k in map(customers.numbers, range(0, customers.n, CHUNK)):
        v, ids = customers.v_of(k), customers.ids(k)
        whose = {"customer_id": ids}
        records = [
            build_rows(CROSSWALK, **whose, channel=channel, source_record_id=format_ids(form, v), is_exact=True,
                  is_profiled=True, gate="joined")
            for channel, form in RECORDS
        ]  # fmt: skip
        crosswalk = interleave(records)
        yield CROSSWALK, crosswalk
        yield CLUSTER, CLUSTER.conform(crosswalk.lazy()).collect()
        yield HISTORY, build_rows(HISTORY, **whose, event="created", occurred_at=NIGHT_BEFORE)
        values = {name: format_ids(f"{name} {{}}", v) for name in ATTRIBUTES} | {
            kind: format_ids(form, v) for kind, form in VALUES
        }
        best = {name: values[name] for name in ATTRIBUTES}
        seen = {
            "record_count": len(RECORDS),
            "channel_count": 6,
            "first_seen_at": OBSERVED_AT,
            "last_seen_at": OBSERVED_AT,
        }
        yield CUSTOMER, build_rows(CUSTOMER, **whose, **best, **seen)
        where = {
            "channel": "crm_west",
            "source_record_id": format_ids("W{}", v),
            "observed_at": OBSERVED_AT,
            "rank": 1,
        }
        collected = pl.lit(["customer_account", "email_marketing", "payment"])
        parts = [
            build_rows(PROVENANCE, **whose, attribute=name, value=value, **where, collected_for=collected)
            for name, value in best.items()
        ]
        yield PROVENANCE, interleave(parts)
        used = {
            "state": "unverified",
            "is_golden": True,
            "is_preferred": False,
            "last_reported_at": OBSERVED_AT,
            "customer_count": 1,
        }
        points = [
            build_rows(CONTACT_POINT, **whose, kind=kind, value=best[kind], **used, collected_for=collected,
                  allowed_for=collected)
            for kind in ("email", "phone")
        ]  # fmt: skip
        yield CONTACT_POINT, interleave(points)
        lives = {"household_id": "h" + ids.str.slice(1), "member_count": 1, "collected_for": collected}
        yield HOUSEHOLD, build_rows(HOUSEHOLD, **whose, **lives)
        yield (
            DECISION,
            interleave(
                [part for n, each in enumerate(purposes.values()) for part in _build_decisions(each, n, k, v, ids)]
            ),
        )
    for n, purpose in enumerate(purposes.values()):
        if purpose.columns:
            yield from _build_members(customers, purpose, n, keys[purpose.key])


def _build_decisions(purpose: Purpose, n: int, k: np.ndarray, v: np.ndarray, ids: pl.Series) -> list[pl.DataFrame]:
    """The decision that stands for each customer, and for some purposes one that it took the place of."""
    point = format_ids(dict(VALUES)[purpose.kind], v) if purpose.kind else ""
    is_in = pl.Series(k % MEMBER_EVERY == n % MEMBER_EVERY)
    what = {"purpose": purpose.key, "contact_point": point, "lawful_basis": purpose.lawful_basis}
    evidence = pl.concat_list("webshop_customers:" + format_ids(RECORDS[5][1], v))
    why = {"since_at": OBSERVED_AT, "evidence": evidence, "purpose_version": purpose.version, "ledger_position": 6}
    stands = {"is_allowed": is_in, "reason": pl.when(is_in).then(pl.lit("allowed")).otherwise(pl.lit("no_consent"))}
    now = build_rows(
        DECISION, customer_id=ids, **what, **why, **stands, valid_from=AS_OF if n % CHANGED == 0 else NIGHT_BEFORE
    )
    if n % CHANGED:
        return [now]
    was = {"is_allowed": False, "reason": "no_consent", "valid_from": NIGHT_BEFORE, "valid_to": AS_OF}
    return [build_rows(DECISION, customer_id=ids, **what, **why, **was), now]


def _build_members(
    customers: BenchmarkCustomers, purpose: Purpose, n: int, key: str
) -> Iterator[tuple[Table, pl.DataFrame]]:
    table = build_mart_table(purpose)
    for k in map(customers.numbers, range(0, customers.n, CHUNK)):
        mine = k[k % MEMBER_EVERY == n % MEMBER_EVERY]
        evidence = pl.concat_list("webshop_customers:" + format_ids(RECORDS[5][1], customers.v_of(mine)))
        why = {"lawful_basis": purpose.lawful_basis, "purpose_version": purpose.version, "evidence": evidence}
        ids = customers.ids(mine)
        yield MEMBERSHIP, build_rows(MEMBERSHIP, purpose=purpose.key, customer_id=ids, **why, valid_from=NIGHT_BEFORE)
        counts = {name: 1 for name, dtype in table.schema.items() if dtype == pl.Int64}
        if purpose.aggregate:
            yield table, table.empty()
            continue
        own = pl.DataFrame({"customer_id": ids}).select(pseudonymise("customer_id", key)).to_series()
        yield table, build_rows(table, **{find_column(purpose, KEY): own}, **counts).sort(table.order)
