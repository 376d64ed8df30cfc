"""Tables of a lake of many customers, to measure answers on: as large as real ones, and laid as a lake lays them.

Per customer seven records of six channels, five identifiers, six wills, a decision for each purpose and a closed one
for some, ten golden values, two contact points, and a stay in about one mart of nine: the proportions of Anytown. Nothing is decided or
linked here; what the rows say is made up, how many there are and in which order is not.

A customer has two numbers: `k`, by which customer ids are sorted, and `v`, by which records and identifiers are. One
says nothing of the other, as a digest says nothing of a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.marts.mart import KEY, build_mart_table, find_column
from cdp_pipelines.marts.pseudonym import pseudonymise
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

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.purposes.purpose import Purpose

NIGHT = date(2024, 6, 30)
AS_OF = datetime(2024, 7, 1, tzinfo=UTC)
NIGHT_BEFORE, OBSERVED_AT = AS_OF - timedelta(days=1), AS_OF - timedelta(days=90)
CHUNK = 50_000
# Channel, how its records are named, and how many a customer has; those named twice are told as two records.
RECORDS = (
    ("app_events", "app_events-{}"),
    ("consent_receipts", "cr-{}-1"),
    ("consent_receipts", "cr-{}-2"),
    ("crm_west", "W{}"),
    ("pos_receipts", "R{}"),
    ("webshop_customers", "gid://shop/Customer/{}"),
    ("webshop_orders", "gid://shop/Order/{}-1"),
)
INTERACTION_TYPES = {"app_events": "event", "pos_receipts": "receipt", "webshop_orders": "order"}
# In order of their values.
VALUES = (
    ("phone", "+1206{}"),
    ("loyalty_card", "LC{}"),
    ("account_id", "account-{}"),
    ("device_id", "device-{}"),
    ("email", "mail{}@mail.example"),
)
# Kind of identifier, record that tells it, purpose, status.
CONSENT_EVENTS = (
    ("phone", 3, "sms_marketing", "denied"),
    ("device_id", 1, "analytics", "granted"),
    ("email", 2, "email_marketing", "granted"),
    ("email", 3, "postal_marketing", "objected"),
    ("email", 5, "email_marketing", "denied"),
    ("email", 5, "profiling", "granted"),
)
LINKS = ((0, 5), (1, 3), (2, 3), (3, 4), (3, 5), (5, 6))
ATTRIBUTES = ("city", "country_code", "email", "first_name", "last_name", "loyalty_card", "phone", "postal_code",
              "region_code", "street")  # fmt: skip
# Of so many customers one is in a mart, and one decision in so many was another before.
MEMBER_EVERY, CHANGED = 9, 11


@dataclass(frozen=True)
class BenchmarkCustomers:
    """`n` customers. The step between numbers has no divisor in common with `n`, so that every `v` is somebody's."""

    n: int

    def numbers(self, first: int) -> np.ndarray:
        """The next chunk of numbers."""
        return np.arange(first, min(first + CHUNK, self.n), dtype=np.int64)

    @property
    def step(self) -> int:
        """What leads from `k` to `v`."""
        return next(step for step in range(7_368_787 % self.n or 1, 2 * self.n + 2) if np.gcd(step, self.n) == 1)

    def v_of(self, k: np.ndarray) -> np.ndarray:
        """`v` of customers."""
        return k * self.step % self.n

    def k_of(self, v: np.ndarray) -> np.ndarray:
        """`k` of customers."""
        return v * pow(self.step, -1, self.n) % self.n

    def ids(self, k: np.ndarray) -> pl.Series:
        """Customer ids: spread over all digests, in order of `k`."""
        span = 2**60 // self.n
        return pl.Series("customer_id", [f"c_{x:016x}" for x in k * span + k * 2_654_435_761 % span])


def _format_ids(form: str, v: np.ndarray) -> pl.Series:
    return pl.select(pl.format(form, pl.Series(v).cast(pl.String).str.zfill(8))).to_series()


def _build_rows(table: Table, **columns: object) -> pl.DataFrame:
    told = {name: value if isinstance(value, pl.Series | pl.Expr) else pl.lit(value) for name, value in columns.items()}
    return table.conform(pl.select(**{name: pl.lit(None) for name in table.schema} | told).lazy()).collect()


def _interleave(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Rows of frames of one height, the first of each, then the second of each."""
    order = np.arange(len(parts) * parts[0].height).reshape(len(parts), -1).T.ravel()
    return pl.concat(parts)[order]


def build_record_tables(
    census: BenchmarkCustomers, contracts: Mapping[str, ChannelContract]
) -> Iterator[tuple[Table, pl.DataFrame]]:
    """Tables that are laid by records, identifiers and wills, chunk by chunk, each chunk in the table's order."""
    for n, (channel, form) in enumerate(RECORDS):
        contract = contracts[channel]
        for v in map(census.numbers, range(0, census.n, CHUNK)):
            ids = _format_ids(form, v)
            yield contract.raw, _build_raw(contract, f"{n:064x}", ids, v)
            held = {kind: _format_ids(value, v) for kind, value in VALUES}
            record = {"channel": channel, "source_record_id": ids, "drop_date": NIGHT, "ingested_at": AS_OF}
            yield (
                PARTY,
                _build_rows(
                    PARTY,
                    **record,
                    observed_at=OBSERVED_AT,
                    **held,
                    first_name="Ann",
                    last_name=_format_ids("Lee{}", v),
                ),
            )
            if channel in INTERACTION_TYPES:
                done = {
                    "interaction_type": INTERACTION_TYPES[channel],
                    "occurred_at": OBSERVED_AT,
                    "amount_minor": pl.Series(v % 10_000),
                }
                yield INTERACTION, _build_rows(INTERACTION, **record, **done, currency_code="USD", quantity=1)
    for one, other in LINKS:
        for v in map(census.numbers, range(0, census.n, CHUNK)):
            pair = zip(("left", "right"), (one, other), strict=True)
            sides = [(side, RECORDS[n][0], _format_ids(RECORDS[n][1], v)) for side, n in pair]
            named = {f"{side}_channel": channel for side, channel, _ in sides}
            named |= {f"{side}_source_record_id": ids for side, _, ids in sides}
            evidence = pl.lit(["last_name:exact", "email:exact"])
            yield LINK, _build_rows(LINK, **named, rule="email", is_exact=True, match_weight=17.5, evidence=evidence)
    for kind, form in VALUES:
        for v in map(census.numbers, range(0, census.n, CHUNK)):
            whose = {"value": _format_ids(form, v), "kind": kind, "customer_id": census.ids(census.k_of(v))}
            yield IDENTIFIER, _build_rows(IDENTIFIER, **whose, is_certain=True, is_exclusive=True)
        yield from _build_consent_events(census, kind, form)


def _build_consent_events(census: BenchmarkCustomers, kind: str, form: str) -> Iterator[tuple[Table, pl.DataFrame]]:
    told = [(n, *will[1:]) for n, will in enumerate(CONSENT_EVENTS) if will[0] == kind]
    for v in map(census.numbers, range(0, census.n, CHUNK)) if told else ():
        parts = []
        for n, record, purpose, status in told:
            channel, named = RECORDS[record]
            ids = _format_ids(named, v)
            event = {"event_id": channel + pl.Series([":"]) + ids, "channel": channel, "source_record_id": ids}
            about = {"subject_kind": kind, "subject_value": _format_ids(form, v), "purpose": purpose, "status": status}
            when = {"drop_date": NIGHT, "event_at": OBSERVED_AT, "recorded_at": OBSERVED_AT, "ingested_at": AS_OF}
            how = {"notice_version": "2024-01", "method": "web_form"}
            parts.append(
                _build_rows(CONSENT_EVENT, **event, **about, **when, **how).with_columns(
                    pl.Series("position", v * len(CONSENT_EVENTS) + n + 1)
                )
            )
        yield LEDGER, LEDGER.conform(_interleave(parts).lazy()).collect()
        for part in parts:
            yield CONSENT_EVENT, CONSENT_EVENT.conform(part.lazy()).collect()


def _build_raw(contract: ChannelContract, digest: str, ids: pl.Series, v: np.ndarray) -> pl.DataFrame:
    fields = {
        column: _format_ids(f"{field} {{}}", v) if contract.fields[field].category != "other" else "as usual"
        for field, column in contract.columns.items()
    }
    fields[contract.columns[contract.key]] = ids
    stood = {"file": f"{contract.name}.csv", "row_number": pl.Series(v + 1), "line_number": pl.Series(v + 2)}
    came = {"file_sha256": digest, "drop_date": NIGHT, "ingested_at": AS_OF, "is_duplicate": False}
    whole = pl.concat_str(
        [each if isinstance(each, pl.Series) else pl.lit(each) for each in fields.values()], separator=","
    )
    return _build_rows(contract.raw, source_record_id=ids, record=whole, **stood, **came, **fields)


def build_customer_tables(
    census: BenchmarkCustomers, purposes: Mapping[str, Purpose], keys: Mapping[str, str]
) -> Iterator[tuple[Table, pl.DataFrame]]:
    """Tables that are laid by customers, chunk by chunk, each chunk in the table's order.

    `keys`: purpose to the key of its mart (see `golden.pseudonym`).
    """
    for k in map(census.numbers, range(0, census.n, CHUNK)):
        v, ids = census.v_of(k), census.ids(k)
        whose = {"customer_id": ids}
        records = [
            _build_rows(CROSSWALK, **whose, channel=channel, source_record_id=_format_ids(form, v), is_exact=True,
                  is_profiled=True, gate="joined")
            for channel, form in RECORDS
        ]  # fmt: skip
        crosswalk = _interleave(records)
        yield CROSSWALK, crosswalk
        yield CLUSTER, CLUSTER.conform(crosswalk.lazy()).collect()
        yield HISTORY, _build_rows(HISTORY, **whose, event="created", occurred_at=NIGHT_BEFORE)
        values = {name: _format_ids(f"{name} {{}}", v) for name in ATTRIBUTES} | {
            kind: _format_ids(form, v) for kind, form in VALUES
        }
        best = {name: values[name] for name in ATTRIBUTES}
        seen = {
            "record_count": len(RECORDS),
            "channel_count": 6,
            "first_seen_at": OBSERVED_AT,
            "last_seen_at": OBSERVED_AT,
        }
        yield CUSTOMER, _build_rows(CUSTOMER, **whose, **best, **seen)
        where = {
            "channel": "crm_west",
            "source_record_id": _format_ids("W{}", v),
            "observed_at": OBSERVED_AT,
            "rank": 1,
        }
        collected = pl.lit(["customer_account", "email_marketing", "payment"])
        parts = [
            _build_rows(PROVENANCE, **whose, attribute=name, value=value, **where, collected_for=collected)
            for name, value in best.items()
        ]
        yield PROVENANCE, _interleave(parts)
        used = {
            "state": "unverified",
            "is_golden": True,
            "is_preferred": False,
            "last_reported_at": OBSERVED_AT,
            "customer_count": 1,
        }
        points = [
            _build_rows(CONTACT_POINT, **whose, kind=kind, value=best[kind], **used, collected_for=collected,
                  allowed_for=collected)
            for kind in ("email", "phone")
        ]  # fmt: skip
        yield CONTACT_POINT, _interleave(points)
        lives = {"household_id": "h" + ids.str.slice(1), "member_count": 1, "collected_for": collected}
        yield HOUSEHOLD, _build_rows(HOUSEHOLD, **whose, **lives)
        yield (
            DECISION,
            _interleave(
                [part for n, each in enumerate(purposes.values()) for part in _build_decisions(each, n, k, v, ids)]
            ),
        )
    for n, purpose in enumerate(purposes.values()):
        if purpose.columns:
            yield from _build_members(census, purpose, n, keys[purpose.key])


def _build_decisions(purpose: Purpose, n: int, k: np.ndarray, v: np.ndarray, ids: pl.Series) -> list[pl.DataFrame]:
    """The decision that stands for each customer, and for some purposes one that it took the place of."""
    point = _format_ids(dict(VALUES)[purpose.kind], v) if purpose.kind else ""
    is_in = pl.Series(k % MEMBER_EVERY == n % MEMBER_EVERY)
    what = {"purpose": purpose.key, "contact_point": point, "lawful_basis": purpose.lawful_basis}
    evidence = pl.concat_list("webshop_customers:" + _format_ids(RECORDS[5][1], v))
    why = {"since_at": OBSERVED_AT, "evidence": evidence, "purpose_version": purpose.version, "ledger_position": 6}
    stands = {"is_allowed": is_in, "reason": pl.when(is_in).then(pl.lit("allowed")).otherwise(pl.lit("no_consent"))}
    now = _build_rows(
        DECISION, customer_id=ids, **what, **why, **stands, valid_from=AS_OF if n % CHANGED == 0 else NIGHT_BEFORE
    )
    if n % CHANGED:
        return [now]
    was = {"is_allowed": False, "reason": "no_consent", "valid_from": NIGHT_BEFORE, "valid_to": AS_OF}
    return [_build_rows(DECISION, customer_id=ids, **what, **why, **was), now]


def _build_members(
    census: BenchmarkCustomers, purpose: Purpose, n: int, key: str
) -> Iterator[tuple[Table, pl.DataFrame]]:
    table = build_mart_table(purpose)
    for k in map(census.numbers, range(0, census.n, CHUNK)):
        mine = k[k % MEMBER_EVERY == n % MEMBER_EVERY]
        evidence = pl.concat_list("webshop_customers:" + _format_ids(RECORDS[5][1], census.v_of(mine)))
        why = {"lawful_basis": purpose.lawful_basis, "purpose_version": purpose.version, "evidence": evidence}
        ids = census.ids(mine)
        yield MEMBERSHIP, _build_rows(MEMBERSHIP, purpose=purpose.key, customer_id=ids, **why, valid_from=NIGHT_BEFORE)
        told = {name: 1 for name, dtype in table.schema.items() if dtype == pl.Int64}
        if purpose.aggregate:
            yield table, table.empty()
            continue
        own = pl.DataFrame({"customer_id": ids}).select(pseudonymise("customer_id", key)).to_series()
        yield table, _build_rows(table, **{find_column(purpose, KEY): own}, **told).sort(table.order)
