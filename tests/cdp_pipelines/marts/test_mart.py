"""What customers did, and what a purpose sees of it and of the golden record."""

import hmac
from datetime import UTC, date, datetime, timedelta

import polars as pl

from cdp_pipelines.marts.mart import (
    HAS_PROFILE,
    HAS_VALUE,
    OWN_POINT,
    build_mart_table,
    build_permitted,
    protect,
    select_members,
)
from cdp_pipelines.marts.measures import compute_measures
from cdp_pipelines.purposes import Purpose
from cdp_pipelines.schema import CROSSWALK, CUSTOMER, DECISION, INTERACTION, PROVENANCE
from cdp_pipelines.schema.mart import MEASURES

START = datetime(2024, 1, 1, tzinfo=UTC)
C = "c_000000000000000a"


def frame(table, rows):
    return pl.DataFrame([{**dict.fromkeys(table.schema), **row} for row in rows], schema=table.schema).lazy()


SECRET = "5e" * 32
PURPOSE = Purpose(
    key="letters",
    title="Letters",
    lawful_basis="consent",
    effective_from=date(2020, 1, 1),
    version="1",
    scope="email",
    notice="1",
    data_categories=("contact",),
    recipients=(),
    retention="P1Y",
    identified_because="a letter needs an address (Art. 6(1)(a))",
    columns=(
        {"name": "subject_key", "source": "subject.key"},
        {"name": "email", "source": "customer.email"},
        {"name": "first_name", "source": "customer.first_name"},
        {"name": "orders", "source": "measure.order_count"},
        {"name": "basis", "source": "decision.lawful_basis"},
        {"name": "since", "source": "decision.since_at", "cut_to": "date"},
        {"name": "evidence", "source": "subject.evidence"},
    ),
)


def built(decisions, candidates, purpose=PURPOSE):
    values = frame(
        PROVENANCE,
        [
            {
                "customer_id": C,
                "attribute": attribute,
                "value": value,
                "channel": f"ch{n}",
                "attribute_group": attribute,
                "collected_for": list(purposes),
                "rank": rank,
            }
            for n, (attribute, value, rank, purposes) in enumerate(candidates)
        ],
    )
    decision = frame(
        DECISION,
        [
            {"customer_id": C, "purpose": "letters", "contact_point": point, "is_allowed": allowed, "since_at": START,
             "lawful_basis": "consent", "purpose_version": "1", "evidence": ["b", "a"]}
            for point, allowed in decisions
        ],
    )  # fmt: skip
    customer_ = frame(CUSTOMER, [{"customer_id": C}])
    return protect(
        purpose,
        build_permitted(
            purpose, select_members(purpose, decision, values, customer_), frame(MEASURES, []), SECRET
        ).collect(),
    )


def test_a_mart_takes_the_best_value_that_its_purpose_may_use():
    found = built(
        [("b@x.de", True)],
        [
            ("email", "a@x.de", 1, ["service"]),
            ("email", "b@x.de", 2, ["letters"]),
            ("first_name", "Nick", 1, ["service"]),
            ("first_name", "Nicola", 2, ["letters", "service"]),
        ],
    )
    key = hmac.new(SECRET.encode(), C.encode(), "sha256").hexdigest()
    message = f"evidence\x1f{C}\x1fb@x.de\x1f1\x1fa\x1fb"
    reference = hmac.new(SECRET.encode(), message.encode(), "sha256").hexdigest()
    assert found.rows() == [(key, "b@x.de", "Nicola", 0, "consent", START.date(), reference)]
    assert found.columns == [column.name for column in PURPOSE.columns]
    assert found.schema == build_mart_table(PURPOSE).schema


def test_a_contact_point_given_for_another_purpose_never_shows():
    assert built([("a@x.de", True)], [("email", "a@x.de", 1, ["service"])]).is_empty()


def test_only_allowed_contact_points_show_and_one_per_customer():
    both = [("email", "a@x.de", 1, ["letters"]), ("email", "b@x.de", 2, ["letters"])]
    assert built([("a@x.de", False), ("b@x.de", True)], both)["email"].to_list() == ["b@x.de"]
    assert built([("a@x.de", True), ("b@x.de", True)], both)["email"].to_list() == ["a@x.de"]
    assert built([("a@x.de", False), ("b@x.de", False)], both).is_empty()


def test_a_contact_point_that_several_customers_share_has_one_row_whatever_their_names():
    def members(names, with_name=()):
        """Customers in the mart; the first has the record a1, the others a2, a3, ..."""
        values = frame(PROVENANCE, [
            {"customer_id": name, "attribute": "email", "value": value, "channel": "crm", "source_record_id": f"a{n}",
             "attribute_group": "email", "collected_for": ["letters"], "rank": 1}
            for n, (name, value) in enumerate(names, start=1)
        ] + [
            {"customer_id": name, "attribute": "first_name", "value": "Ann", "channel": "crm", "rank": 1,
             "source_record_id": "b1", "attribute_group": "first_name", "collected_for": ["letters"]}
            for name in with_name
        ])  # fmt: skip
        decision = frame(DECISION, [
            {"customer_id": name, "purpose": "letters", "contact_point": value, "is_allowed": True}
            for name, value in names
        ])  # fmt: skip
        customers = frame(CUSTOMER, [{"customer_id": name} for name, _ in names])
        selected = select_members(PURPOSE, decision, values, customers)
        found = selected.allowed
        assert selected.counts == {HAS_PROFILE: len(names), HAS_VALUE: len(names), OWN_POINT: found.height}
        assert found["contact_point"].is_unique().all()
        return set(found["customer_id"])

    assert members([("x", "we@x.de"), ("y", "we@x.de"), ("z", "z@x.de")]) == {"x", "z"}
    assert members([("y", "we@x.de"), ("x", "we@x.de"), ("z", "z@x.de")]) == {"y", "z"}
    assert members([("x", "we@x.de"), ("y", "we@x.de"), ("z", "z@x.de")], with_name=["y"]) == {"y", "z"}


def test_measures_count_what_the_purpose_may_use_within_its_window():
    def done(n, channel, kind, day, amount=None):
        return {
            "channel": channel,
            "source_record_id": f"i{n}",
            "interaction_type": kind,
            "occurred_at": START + timedelta(days=day),
            "amount_minor": amount,
            "currency_code": amount and "GBP",
        }

    happened = [
        done(0, "shop", "order", 10, 500),
        done(1, "shop", "order", 20, 700),
        done(2, "shop", "refund", 21, -700),
        done(3, "app", "event", 20),
        done(4, "shop", "order", -1, 900),
        done(5, "shop", "order", 30, 100),
    ]
    crosswalk = frame(
        CROSSWALK,
        [
            {
                "channel": each["channel"],
                "source_record_id": each["source_record_id"],
                "customer_id": C,
                "is_profiled": True,
            }
            for each in happened
        ],
    )
    found = (
        compute_measures(frame(INTERACTION, happened), crosswalk, ["shop"], START, START + timedelta(days=30))
        .collect()
        .row(0, named=True)
    )
    assert (found["order_count"], found["order_amount_minor"], found["refund_amount_minor"]) == (2, 1200, -700)
    assert (found["last_order_amount_minor"], found["last_order_at"]) == (700, START + timedelta(days=20))
    assert found["event_count"] == 0
