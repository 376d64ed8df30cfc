"""What an auditor would test (statements 1 to 7 and 12 of auditor.md), on Anytown, from the tables alone."""

import calendar
import re
from datetime import date, timedelta

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from cdp_pipelines import standardise
from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.field_value import read_event_time
from cdp_pipelines.channels.records import read_records
from cdp_pipelines.consent import DecisionInput, decide, list_identifiers
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.lineage import STOPS, build_purpose_graph, check_minimised
from cdp_pipelines.marts.coarsening import coarsen
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.marts.measures import compute_measures
from cdp_pipelines.purposes import Register
from cdp_pipelines.purposes.mart_terms import MartColumn
from cdp_pipelines.schema import (
    CLUSTER,
    CROSSWALK,
    CUSTOMER,
    DECISION,
    INTERACTION,
    LEDGER,
    PARTY,
    PRIVACY_REQUEST,
    PROVENANCE,
    RETENTION,
    RUN,
)
from cdp_pipelines.schema.duration import end_of_night, start_of_window
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register, load_retention
from cdp_pipelines.services.marts import find_people
from cdp_pipelines.standardise import select_latest
from cdp_pipelines.standardise.admission import admit_records
from expectations.gate import validate_frame
from warehouse.keys import mart_key
from warehouse.verify.protection import compute_digest, compute_reference

MARTS = {key: purpose for key, purpose in load_company_register().items() if purpose.columns}
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
    return current(lake.scan(DECISION)).collect()


@pytest.fixture(scope="module")
def ledger(lake):
    return lake.read(LEDGER)


@pytest.fixture(scope="module")
def held(lake):
    """customer_id, kind and value of every identifier."""
    return list_identifiers(lake.scan(PARTY), lake.scan(CLUSTER)).collect()


def rows_of(lake, key):
    return lake.read(build_mart_table(load_company_register()[key]))


def people_in(lake, key, decisions):
    """Rows of a mart, each with the decision that its key and its reference stand for; of an aggregate, whom it counts."""
    allowed = decisions.filter(purpose=key, is_allowed=True)
    if load_company_register()[key].aggregate:
        return allowed.join(find_people(lake, load_company_register()[key]), on="customer_id", how="semi")
    secret, decision_rows = mart_key(lake.path, key).encode(), allowed.to_dicts()
    known = allowed.with_columns(
        pl.Series("subject_key", [compute_digest(secret, row["customer_id"]) for row in decision_rows], pl.String),
        pl.Series("evidence_reference", [
            compute_reference(secret, row["customer_id"], row["contact_point"], row["purpose_version"], row["evidence"])
            for row in decision_rows
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
                values = rows.select("customer_id", pl.col(column.name).cast(pl.String).alias("value")).drop_nulls()
                of_purpose = usable.filter(attribute=name)
                assert values.join(of_purpose, on=["customer_id", "value"], how="anti").is_empty(), (key, column.name)
        channels = [name for name, contract in load_all_contracts().items() if key in contract.collected_for]
        counted = [column for column in purpose.columns if column.source.startswith("measure.")]
        if counted:
            own = interaction.filter(pl.col("channel").is_in(channels))
            since = start_of_window(purpose.retention, as_of)
            alone = compute_measures(own, crosswalk, list(load_all_contracts()), since, as_of).collect()
            again = rows.select("customer_id").join(alone, on="customer_id", how="left", maintain_order="left")
            for column in counted:
                name = column.source.removeprefix("measure.")
                exact = pl.col(name).fill_null(0) if name.endswith("_count") else pl.col(name)
                expected = again.select(coarsen(column, exact).alias(column.name))[column.name]
                column_values = rows[column.name]
                if purpose.mart_kind == "pseudonymous":
                    # What would single somebody out is not column_values.
                    expected = expected.zip_with(column_values.is_not_null(), column_values)
                assert column_values.equals(expected), (key, column.name)


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
        denials = no.join(held, left_on=["subject_kind", "subject_value"], right_on=["kind", "value"])
        last_no = denials.group_by("customer_id").agg(pl.col("event_at").max().alias("no_at"))
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
    known = list_identifiers(party, cluster).collect()
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
        purpose = load_company_register()[row["purpose"]].model_copy(update={"requires": ()})
        after = decide(
            DecisionInput(
                register=Register.from_purposes([purpose]),
                ledger=pl.concat([ledger, no]).lazy(),
                identifiers=list_identifiers(party, of_one),
                interactions=lake.scan(INTERACTION),
                crosswalk=of_one,
                as_of=as_of,
                known_at=as_of,
                party=party,
            )
        )
        assert not after["is_allowed"].any(), row["purpose"]
        assert "withdrawn" in set(after["reason"])


def test_statement_6_columns_are_those_that_the_purpose_permits_and_a_new_one_is_refused(lake):
    for key, purpose in MARTS.items():
        table, rows = build_mart_table(purpose), rows_of(lake, key)
        assert rows.columns == list(table.schema)
        more = rows.head(3).with_columns(shoe_size=pl.lit(44))
        assert not validate_frame(table.name, more, columns=list(table.schema)).passed
        fewer = rows.head(3).drop(rows.columns[-1])
        assert not validate_frame(table.name, fewer, columns=list(table.schema)).passed
    assert decisions_for_unknown(lake).is_empty()


def test_statement_6_no_column_derives_from_data_that_the_purpose_does_not_permit(lake):
    """By lineage, whatever lies between; and the lineage names every channel that really gave the mart a value."""
    provenance = lake.scan(PROVENANCE)
    n = 0
    for key, purpose in MARTS.items():
        graph = build_purpose_graph(purpose, load_all_contracts())
        given = (
            provenance.filter(pl.col("collected_for").list.contains(key))
            .group_by("attribute")
            .agg(pl.col("channel").unique())
            .collect()
        )
        channels = dict(given.iter_rows())
        for column in build_mart_table(purpose).columns:
            paths = graph.find_paths(f"mart/{key}.{column.name}", STOPS)
            assert {path.category for path in paths if path.category} <= {*purpose.data_categories}, column.name
            sources = {path.end.partition(".")[0].removeprefix("raw/") for path in paths}
            for source in column.sources:
                table, _, name = source.rpartition(".")
                if table == CUSTOMER.name and name in channels and name != "country_code":
                    assert {*channels[name]} <= sources, (key, column.name)
                    n += len(channels[name])
    print(f"{n} times a channel gave a column of a mart its values, each on a path that the lineage names")
    assert n > 0
    size = MartColumn(name="shoe_size", source="customer.postal_code")
    loyal = load_company_register()["loyalty_programme"]
    with pytest.raises(
        PolicyError, match=r"shoe_size derives from address.* mart/loyalty_programme.shoe_size <- golden"
    ):
        check_minimised(
            loyal.model_copy(update={"columns": (*loyal.columns, size)}), load_all_contracts(), "loyalty_programme.yaml"
        )


def decisions_for_unknown(lake):
    return lake.scan(DECISION).filter(pl.col("purpose").is_in(list(load_company_register())).not_()).collect()


def later(moment, *durations):
    """A calendar of its own: months first, to the end of a shorter one, then days."""
    for duration in durations:
        parts = {unit: int(number) for number, unit in re.findall(r"(\d+)([YMD])", duration)}
        month = moment.month - 1 + parts.get("M", 0) + 12 * parts.get("Y", 0)
        year, month = moment.year + month // 12, month % 12 + 1
        day = min(moment.day, calendar.monthrange(year, month)[1])
        moment = moment.replace(year=year, month=month, day=day) + timedelta(days=parts.get("D", 0))
    return moment


def limits(contract, moment):
    """Until when each column of a channel's record of that moment may be used, from the declarations alone.

    Unification lives while any purpose lives; what the law or a contract asks of a channel's own records it may keep
    beyond the channel's promise.
    """
    promised = later(moment, contract.retention)
    ends = {}
    for name, field in contract.fields.items():
        purposes = [load_company_register()[key] for key in contract.collected_for if key != "profile_unification"]
        serving = [each for each in purposes if field.category in each.data_categories]
        owed = [each for each in serving if each.lawful_basis in {"contract", "legal_obligation"}]
        longest = max((later(moment, each.retention) for each in serving), default=None)
        if longest is not None:
            ends[column_name(name)] = min(longest, max([promised, *(later(moment, each.retention) for each in owed)]))
    return ends


def test_statement_7_no_value_outlives_the_longest_purpose_that_may_use_it_and_a_hold(lake, as_of, capsys):
    hold, n = load_retention().hold, 0
    for name, contract in load_all_contracts().items():
        raw = lake.scan(contract.raw).with_columns(read_event_time(contract).alias("moment")).collect()
        columns = limits(contract, as_of)
        # Ends go with beginnings: it is enough to ask for the earliest record that has a value.
        for column in columns:
            first = raw.filter(pl.col(column).is_not_null())["moment"].min()
            assert first is None or later(limits(contract, first)[column], hold) > as_of, (name, column)
            n += raw[column].count()
        assert later(max(limits(contract, raw["moment"].min()).values()), hold) > as_of, name
        for table, at in ((PARTY, "observed_at"), (INTERACTION, "occurred_at"), (PROVENANCE, "observed_at")):
            first = lake.scan(table).filter(pl.col("channel") == name).select(pl.col(at).min()).collect().item()
            assert first is None or max(limits(contract, first).values()) > as_of, (table.name, name)
        refused = lake.scan(contract.quarantine).select(pl.col("ingested_at").min()).collect().item()
        assert refused is None or later(refused, load_retention().quarantine, hold) > as_of
        assert refused is None or later(refused, contract.retention, hold) > as_of
    with capsys.disabled():
        print(f"\n{n:,} values of raw, each within the retention of a purpose that may use it, and a hold")


def test_statement_7_what_left_is_counted_and_no_file_holds_it_old_versions_included(anytown, lake, capsys):
    contract = load_all_contracts()["beacons"]
    files = sorted(anytown.drops.glob(f"*/{contract.files}"))
    delivered = pl.concat([read_records(path.read_bytes(), contract).frame for path in files])
    left = lake.read(RETENTION)
    assert set(left["table"]) == {"raw/beacons"}
    held = sum(lake.scan(table).select(pl.len()).collect().item() for table in (contract.raw, contract.quarantine))
    assert left["removed_count"].sum() == delivered.height - held > 0
    known = set(lake.scan(contract.raw).collect()["ad_id"])
    known |= set(lake.scan(load_all_contracts()["app_events"].raw).collect()["context_device_advertising_id"])
    gone = set(delivered["ad_id"].drop_nulls()) - known
    pings = set(delivered["ping_id"].drop_nulls()) - set(lake.scan(contract.raw).collect()["source_record_id"])
    pings -= set(lake.scan(contract.quarantine).collect()["source_record_id"])
    assert gone
    n = 0
    for path in lake.path.rglob("*"):
        if not path.is_file():
            continue
        n += 1
        if path.suffix == ".parquet" or path.read_bytes()[:4] == b"PAR1":
            texts = pl.read_parquet(path).select(pl.selectors.string())
            found = {column for column in texts.columns if texts[column].is_in(list(gone | pings)).any()}
            assert not found, (path.relative_to(lake.path), found)
        else:
            words = set(re.findall(rb"(?<![0-9a-zA-Z-])[0-9a-z]{7,8}(?![0-9a-zA-Z-])", path.read_bytes()))
            assert not words & {value.encode() for value in gone | pings}, path.relative_to(lake.path)
    for name in lake.tables():
        read = {uri.rsplit("/", 1)[-1] for uri in DeltaTable(lake.location(name)).file_uris()}
        assert {path.name for path in lake.location(name).iterdir() if path.is_file()} == read, name
    with capsys.disabled():
        print(
            f"\n{left['removed_count'].sum():,} rows left by {left.height} counts; {len(gone):,} devices and {len(pings):,} records "
            f"of them are in none of {n} files"
        )


def test_statement_7_no_decision_of_a_live_purpose_changes_by_what_left(anytown, lake, as_of, decisions, capsys):
    """All that was ever delivered is decided on once more: only what nobody may use any more is missing."""
    party, interaction = [], []
    for key in ("beacons", "surveys", "social"):
        contract = load_all_contracts()[key]
        frames = []
        for path in sorted(anytown.drops.glob(f"*/{contract.files}")):
            night = date.fromisoformat(path.parent.name)
            came = {"file": path.name, "file_sha256": path.name, "drop_date": night, "ingested_at": end_of_night(night)}
            frames.append(
                read_records(path.read_bytes(), contract).frame.with_columns(
                    pl.lit(value).alias(name) for name, value in came.items()
                )
            )
        rows = select_latest(admit_records(pl.concat(frames), contract.raw.empty(), contract).accepted.lazy(), contract)
        for made, table, into in (
            (standardise.build_party, PARTY, party),
            (standardise.build_interaction, INTERACTION, interaction),
        ):
            new = made(rows, contract).join(lake.scan(table), on=["channel", "source_record_id"], how="anti")
            into.append(new.collect())
    more, done = pl.concat(party), pl.concat(interaction)
    assert more.height > 10_000
    # Each belongs to who has its identifier, on ground as certain as there, or to nobody else.
    known = list_identifiers(lake.scan(PARTY), lake.scan(CLUSTER)).collect().unique(["kind", "value"], keep="any")
    contact_values = more.unpivot(
        index=["channel", "source_record_id"], on=["email", "loyalty_card", "advertising_id"], variable_name="kind"
    )
    whose = (
        contact_values.drop_nulls()
        .join(known, on=["kind", "value"])
        .unique(["channel", "source_record_id"], keep="any")
    )
    alone = pl.concat_str(pl.lit("alone:"), "channel", "source_record_id")
    cluster = more.join(whose, on=["channel", "source_record_id"], how="left").select(
        "channel",
        "source_record_id",
        pl.coalesce("customer_id", alone).alias("customer_id"),
        pl.col("is_certain").fill_null(value=True).alias("is_exact"),
    )
    parties, clusters = (
        pl.concat([lake.scan(table).collect(), rows]) for table, rows in ((PARTY, more), (CLUSTER, cluster))
    )
    again = decide(
        DecisionInput(
            register=load_company_register(),
            ledger=lake.scan(LEDGER),
            identifiers=list_identifiers(parties.lazy(), clusters.lazy()),
            interactions=pl.concat([lake.scan(INTERACTION).collect(), done]).lazy(),
            crosswalk=clusters.lazy(),
            as_of=as_of,
            known_at=as_of,
            party=parties.lazy(),
            requests=lake.scan(PRIVACY_REQUEST),
        )
    )
    question = ["customer_id", "purpose", "contact_point"]
    both = decisions.join(again, on=question, suffix="_with_all")
    assert both.height == decisions.height
    different = both.filter(
        (pl.col("is_allowed") != pl.col("is_allowed_with_all")) | (pl.col("reason") != pl.col("reason_with_all"))
    )
    changed = different.group_by("purpose", "reason", "reason_with_all").len().rows()
    assert changed == []
    with capsys.disabled():
        print(f"\n{both.height:,} decisions are the same with {more.height:,} records more that nobody may use")


def test_statement_12_an_objection_to_marketing_takes_out_of_all_marketing_whatever_the_basis(
    lake, ledger, held, decisions
):
    objections = ledger.filter(pl.col("status") == "objected", pl.col("method") == "privacy_request")
    objected = objections.join(held, left_on=["subject_kind", "subject_value"], right_on=["kind", "value"])
    assert objected.height > 0
    for key in MARKETING & set(MARTS):
        mine = objected.filter(purpose=key).group_by("customer_id").agg(pl.col("event_at").max().alias("no_at"))
        both = people_in(lake, key, decisions).join(mine, on="customer_id")
        assert both.filter(pl.col("since_at") <= pl.col("no_at")).is_empty(), key
        assert not both.height or load_company_register()[key].lawful_basis == "consent", key
    assert {"email_marketing"} <= MARKETING & set(MARTS)


def test_statement_12_global_privacy_control_is_an_objection_to_advertising_and_sharing(ledger):
    signals = ledger.filter(method="global_privacy_control")
    assert set(signals["status"]) == {"objected"}
    assert set(signals["purpose"]) == {"advertising", "third_party_sharing"}


def test_decisions_are_the_same_when_made_again(lake, as_of, decisions):
    from cdp_pipelines.services.decisions import decide_lake

    again = decide_lake(lake, as_of)
    key = ["customer_id", "purpose", "contact_point"]
    assert_frame_equal(
        again.sort(key), decisions.select(again.columns).sort(key), check_row_order=True, check_column_order=True
    )
