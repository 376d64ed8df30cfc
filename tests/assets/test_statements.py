"""What an auditor would test (statements 1 to 6 and 12 of auditor.md), on Anytown, from the tables alone."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.marts import people_of
from assets.policies import contracts, register
from cdp_pipelines.consent import decide, identifiers, standing
from cdp_pipelines.golden.coarsen import coarse
from cdp_pipelines.golden.mart import mart_table
from cdp_pipelines.golden.measures import measures, window
from cdp_pipelines.tables import CLUSTER, CROSSWALK, DECISION, INTERACTION, LEDGER, PARTY, PROVENANCE, RUN
from expectations.gate import validate
from warehouse.keys import mart_key
from warehouse.verify_protection import digest, reference

MARTS = {key: purpose for key, purpose in register().items() if purpose.columns}
# What asks for no consent though it looks like one: a box that was ticked, a banner that was clicked away.
NO_CONSENT = {"account_box", "cookie_banner", "bundled", "pre_ticked", "silence"}
MARKETING = {
    "email_marketing",
    "sms_marketing",
    "push_marketing",
    "postal_marketing",
    "similar_products_email",
    "advertising",
}


@pytest.fixture(scope="module")
def lake(anytown):
    return anytown.lake


@pytest.fixture(scope="module")
def as_of(lake):
    return lake.read(RUN)["as_of"].max()


@pytest.fixture(scope="module")
def decisions(lake):
    return standing(lake.scan(DECISION)).collect()


@pytest.fixture(scope="module")
def ledger(lake):
    return lake.read(LEDGER)


@pytest.fixture(scope="module")
def held(lake):
    """customer_id, kind and value of every identifier."""
    return identifiers(lake.scan(PARTY), lake.scan(CLUSTER)).collect()


def rows_of(lake, key):
    return lake.read(mart_table(register()[key]))


def people_in(lake, key, decisions):
    """Rows of a mart, each with the decision that its key and its reference stand for; of an aggregate, whom it counts."""
    allowed = decisions.filter(purpose=key, is_allowed=True)
    if register()[key].aggregate:
        return allowed.join(people_of(lake, register()[key]), on="customer_id", how="semi")
    secret, told = mart_key(lake.path, key).encode(), allowed.to_dicts()
    known = allowed.with_columns(
        pl.Series("subject_key", [digest(secret, row["customer_id"]) for row in told], pl.String),
        pl.Series("evidence_reference", [
            reference(secret, row["customer_id"], row["contact_point"], row["purpose_version"], row["evidence"])
            for row in told
        ], pl.String),
    )  # fmt: skip
    rows = rows_of(lake, key)
    found = rows.join(known, on=["subject_key", "evidence_reference", "lawful_basis"])
    assert found.height == rows.height, key
    return found


def test_statement_1_every_row_has_one_purpose_with_one_basis_in_force_before(lake, as_of, decisions):
    n = 0
    for key, purpose in MARTS.items():
        rows = rows_of(lake, key)
        assert set(rows["lawful_basis"]) <= {purpose.lawful_basis}
        assert purpose.in_force_at < as_of
        people = people_in(lake, key, decisions)
        assert set(people["purpose_version"]) <= {purpose.version}
        assert people["customer_id"].is_unique().all()
        n += rows.height
    print(f"{n} rows of {len(MARTS)} marts")
    assert n > 0


def test_statement_2_no_purpose_reads_what_was_collected_for_another(lake, as_of, decisions):
    provenance, interaction, crosswalk = (lake.scan(table) for table in (PROVENANCE, INTERACTION, CROSSWALK))
    for key, purpose in MARTS.items():
        if purpose.aggregate:
            continue
        rows = people_in(lake, key, decisions)
        usable = provenance.filter(pl.col("collected_for").list.contains(key)).collect()
        for column in purpose.columns:
            word, _, name = column.source.partition(".")
            if word == "customer":
                told = rows.select("customer_id", pl.col(column.name).cast(pl.String).alias("value")).drop_nulls()
                of_purpose = usable.filter(attribute=name)
                assert told.join(of_purpose, on=["customer_id", "value"], how="anti").is_empty(), (key, column.name)
        channels = [name for name, contract in contracts().items() if key in contract.collected_for]
        counted = [column for column in purpose.columns if column.source.startswith("measure.")]
        if counted:
            own = interaction.filter(pl.col("channel").is_in(channels))
            since = window(purpose.retention, as_of)
            alone = measures(own, crosswalk, list(contracts()), since, as_of).collect()
            again = rows.select("customer_id").join(alone, on="customer_id", how="left", maintain_order="left")
            for column in counted:
                name = column.source.removeprefix("measure.")
                exact = pl.col(name).fill_null(0) if name.endswith("_count") else pl.col(name)
                expected = again.select(coarse(column, exact).alias(column.name))[column.name]
                told = rows[column.name]
                if purpose.mart_kind == "pseudonymous":
                    # What would single somebody out is not told.
                    expected = expected.zip_with(told.is_not_null(), told)
                assert told.equals(expected), (key, column.name)


def test_statement_3_each_consent_resolves_to_subject_time_method_notice_and_purpose(lake, ledger, held, decisions):
    n = 0
    for key, purpose in MARTS.items():
        if purpose.lawful_basis != "consent":
            continue
        rows = people_in(lake, key, decisions).select("customer_id", "evidence").explode("evidence")
        events = rows.join(ledger.filter(status="granted"), left_on="evidence", right_on="event_id", how="left")
        assert events["subject_value"].null_count() == 0, key
        assert set(events["purpose"]) <= {key}
        assert events.select("event_at", "recorded_at", "method", "notice_version").null_count().row(0) == (0, 0, 0, 0)
        reached = events.join(
            held, left_on=["customer_id", "subject_kind", "subject_value"], right_on=["customer_id", "kind", "value"]
        )
        assert reached.height == events.height
        n += events.height
    print(f"{n} rows rest on a consent, each with its record")
    assert n > 0


def test_statement_4_bundled_pre_ticked_or_silent_consent_never_passes(ledger, decisions):
    ticked = set(ledger.filter(pl.col("method").is_in(NO_CONSENT), status="granted")["event_id"])
    assert len(ticked) > 1000
    used = decisions.filter("is_allowed", lawful_basis="consent").explode("evidence")["evidence"]
    assert not ticked & set(used)
    unproven = set(ledger.filter(pl.col("status") == "granted", pl.col("notice_version").is_null())["event_id"])
    assert not unproven & set(used)


def test_statement_5_after_a_withdrawal_there_is_no_row_and_no_other_basis(lake, ledger, held, as_of, decisions):
    n = 0
    for key, purpose in MARTS.items():
        if purpose.lawful_basis != "consent":
            continue
        no = ledger.filter(
            pl.col("purpose") == key, pl.col("status").is_in(["withdrawn", "denied"]), pl.col("event_at") <= as_of
        )
        told = no.join(held, left_on=["subject_kind", "subject_value"], right_on=["kind", "value"])
        last_no = told.group_by("customer_id").agg(pl.col("event_at").max().alias("no_at"))
        yes = people_in(lake, key, decisions).select("customer_id", "lawful_basis", "since_at")
        both = yes.join(last_no, on="customer_id")
        # Who is in all the same gave a newer consent.
        assert both.filter(pl.col("since_at") < pl.col("no_at")).is_empty(), key
        assert set(both["lawful_basis"]) <= {"consent"}
        n += last_no.height
    print(f"{n} customers had withdrawn or denied")
    assert n > 0


def test_statement_5_a_withdrawal_ends_the_right_in_the_next_decision(lake, ledger, decisions, as_of):
    """One consent of every purpose is withdrawn, on another identifier than it was given on where there is one."""
    party, cluster = lake.scan(PARTY), lake.scan(CLUSTER)
    known = identifiers(party, cluster).collect()
    allowed = decisions.filter("is_allowed", lawful_basis="consent").unique(
        "purpose", keep="first", maintain_order=True
    )
    assert allowed.height > 1
    for row in allowed.iter_rows(named=True):
        kind, value = max(known.filter(customer_id=row["customer_id"]).select("kind", "value").rows())
        no = ledger.head(1).with_columns(
            position=pl.lit(ledger.height + 1, pl.Int64),
            event_id=pl.lit("late"),
            subject_kind=pl.lit(kind),
            subject_value=pl.lit(value),
            purpose=pl.lit(row["purpose"]),
            status=pl.lit("withdrawn"),
            event_at=pl.lit(as_of),
            recorded_at=pl.lit(as_of),
        )
        of_one = cluster.filter(pl.col("customer_id") == row["customer_id"])
        after = decide(
            {row["purpose"]: register()[row["purpose"]].model_copy(update={"requires": ()})},
            pl.concat([ledger, no]),
            identifiers(party, of_one),
            lake.scan(INTERACTION),
            of_one,
            as_of=as_of,
            known_at=as_of,
            party=party,
        )
        assert not after["is_allowed"].any(), row["purpose"]
        assert "withdrawn" in set(after["reason"])


def test_statement_6_columns_are_those_that_the_purpose_permits_and_a_new_one_is_refused(lake):
    for key, purpose in MARTS.items():
        table, rows = mart_table(purpose), rows_of(lake, key)
        assert rows.columns == list(table.schema)
        more = rows.head(3).with_columns(shoe_size=pl.lit(44))
        assert not validate(table.name, more, columns=list(table.schema)).passed
        fewer = rows.head(3).drop(rows.columns[-1])
        assert not validate(table.name, fewer, columns=list(table.schema)).passed
    assert decisions_for_unknown(lake).is_empty()


def decisions_for_unknown(lake):
    return lake.scan(DECISION).filter(pl.col("purpose").is_in(list(register())).not_()).collect()


def test_statement_12_an_objection_to_marketing_takes_out_of_all_marketing_whatever_the_basis(lake, ledger, held, decisions):
    objections = ledger.filter(pl.col("status") == "objected", pl.col("method") == "privacy_request")
    objected = objections.join(held, left_on=["subject_kind", "subject_value"], right_on=["kind", "value"])
    assert objected.height > 0
    for key in MARKETING & set(MARTS):
        mine = objected.filter(purpose=key).group_by("customer_id").agg(pl.col("event_at").max().alias("no_at"))
        both = people_in(lake, key, decisions).join(mine, on="customer_id")
        assert both.filter(pl.col("since_at") <= pl.col("no_at")).is_empty(), key
        assert not both.height or register()[key].lawful_basis == "consent", key
    assert {"email_marketing"} <= MARKETING & set(MARTS)


def test_statement_12_global_privacy_control_is_an_objection_to_advertising_and_sharing(ledger):
    signals = ledger.filter(method="global_privacy_control")
    assert set(signals["status"]) == {"objected"}
    assert set(signals["purpose"]) == {"advertising", "third_party_sharing"}


def test_decisions_are_the_same_when_made_again(lake, as_of, decisions):
    from assets.decisions import decided

    again = decided(lake, as_of)
    key = ["customer_id", "purpose", "contact_point"]
    assert_frame_equal(
        again.sort(key), decisions.select(again.columns).sort(key), check_row_order=True, check_column_order=True
    )
