"""`cdp rectify` on a whole lake: the next night obeys, marts and brute force agree, and a withdrawal gives all back."""

from datetime import date

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.runtime.specs import DROPS
from cdp_pipelines.cli.main import app
from cdp_pipelines.schema import CONTACT_POINT, CUSTOMER, PROVENANCE, RECTIFICATION
from cdp_pipelines.services.declarations import COMPANY
from tests.conftest import copy_lake
from warehouse.sources.drop_folder import list_drop_dates
from warehouse.verify.marts import verify_lake

NAME = "Quetzalcoatl"
WHY = ["--by", "carl", "--because", "ticket 17"]


@pytest.fixture(scope="module")
def copy(sample, tmp_path_factory):
    return copy_lake(sample.lake, tmp_path_factory.mktemp("rectify") / "lake")


@pytest.fixture
def lake(sample, tmp_path):
    """Without rectifications; `cdp rectify` locks the lake that it is asked about."""
    return copy_lake(sample.lake, tmp_path / "lake")


@pytest.fixture
def night(sample, definitions, monkeypatch):
    """Runs layers of the lake's last night again: nothing else reads what was put right."""
    job = definitions.resolve_job_def("nightly")
    last = str(list_drop_dates(sample.drops)[-1])

    def run(lake, *layers):
        monkeypatch.setenv("CDP_LAKE", str(lake.path))
        monkeypatch.setenv("CDP_DROPS", str(sample.drops))
        keys = [key for key in job.asset_layer.executable_asset_keys if key.path[0] in layers]
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions(DROPS.name, [last])
            assert job.execute_in_process(instance=instance, asset_selection=keys, partition_key=last).success

    return run


def ask(lake, *words):
    return CliRunner().invoke(app, ["rectify", *words, "--lake", str(lake.path)])


def somebody(lake, *names):
    """A customer who has all of these attributes."""
    have = lake.read(CUSTOMER).drop_nulls([*names]).filter(pl.col("channel_count") > 2)
    return have.row(0, named=True)


@pytest.mark.long
def test_the_next_night_obeys_and_a_withdrawal_gives_all_back(copy, night, capsys):
    before = {table: copy.read(table) for table in (CUSTOMER, PROVENANCE, CONTACT_POINT)}
    who = somebody(copy, "first_name", "last_name", "birth_date", "email", "street", "city", "quiet_from")
    of, old = who["customer_id"], who["email"]
    rectified = [
        ("last_name", NAME.upper()),
        ("birth_date", "1961-02-28"),
        ("email", f"{NAME}@Example.com"),
        ("street", "99  Long Lane"),
        ("city", "ROME"),
        ("quiet_from", "19"),
    ]
    for attribute, value in rectified:
        answer = ask(copy, of, attribute, value, *WHY)
        assert answer.exit_code == 0, answer.output
        assert value not in answer.output
    rows = copy.read(RECTIFICATION)
    # The other parts of the name stay as they were; of the address the second time knows the first.
    assert rows.filter(rectification_number=1)["attribute"].sort().to_list() == sorted(
        name for name in ("first_name", "middle_name", "last_name") if who[name] or name == "last_name"
    )
    assert rows.filter(rectification_number=5, attribute="street")["value"].to_list() == ["99 long lane"]
    assert rows.filter(attribute="email")["replaces"].to_list() == [old]
    night(copy, "golden", "mart")
    golden = copy.read(CUSTOMER).row(by_predicate=pl.col("customer_id") == of, named=True)
    expected = {
        **{name: who[name] for name in ("first_name", "middle_name", "region_code", "postal_code", "quiet_until")},
        "last_name": NAME, "birth_date": date(1961, 2, 28), "email": f"{NAME.lower()}@example.com",
        "street": "99 long lane", "city": "Rome", "quiet_from": 19,
    }  # fmt: skip
    assert {name: golden[name] for name in expected} == expected
    states = copy.read(CONTACT_POINT).filter(customer_id=of)
    assert states.filter(value=old)["state"].to_list() == ["replaced"]
    report = verify_lake(copy.path, COMPANY)
    with capsys.disabled():
        print(f"\nrectified: {sum(report.row_counts.values()):,} rows of marts, {len(report.differences)} differences")
    assert report.differences == []
    logs = [path for path in copy.path.glob("*/*/_delta_log/*.json") if NAME.lower() in path.read_text().lower()]
    assert logs == []

    for attribute in ("last_name", "birth_date", "email", "street", "quiet_from"):
        assert ask(copy, of, attribute, "--withdraw", *WHY).exit_code == 0
    assert "nothing to withdraw" in ask(copy, of, "city", "--withdraw", *WHY).output
    night(copy, "golden")
    assert {table.name: copy.read(table).equals(rows) for table, rows in before.items()} == {
        table.name: True for table in before
    }


WRONG = [
    pytest.param(["shoe_size", "44", *WHY], "there is no attribute 'shoe_size'", id="unknown_attribute"),
    pytest.param(["brith_date", "1970-12-31", *WHY], "Did you mean 'birth_date'?", id="mistyped_attribute"),
    pytest.param(["city", "Rome", "--by", "carl"], "--because REASON", id="no_reason"),
    pytest.param(["city", *WHY], "give the right value", id="no_value"),
    pytest.param(["city", "Rome", "--withdraw", *WHY], "or --withdraw", id="both"),
    pytest.param(["email", "quetzalcoatl", *WHY], "the email cannot be read", id="unreadable"),
    pytest.param(["birth_date", "1061-02-28", *WHY], "suite of standardised/party", id="of_the_middle_ages"),
    pytest.param(["last_name", "a@example.com", *WHY], "suite of standardised/party", id="no_name"),
    pytest.param(["quiet_from", "24", *WHY], "suite of standardised/preference", id="no_hour"),
    pytest.param(["email", "b@example.com", "--instead-of", "z@z.de", *WHY], "has no such email", id="not_theirs"),
    pytest.param(["birth_date", "--withdraw", *WHY], "nothing to withdraw", id="nothing_to_withdraw"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_what_is_wrong_is_refused_and_nothing_is_written(lake, words, message):
    of = somebody(lake, "email", "birth_date")["customer_id"]
    answer = ask(lake, of, *words)
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.split())
    assert not {"quetzalcoatl", "1061"} & {*answer.output.split()}
    assert lake.version(RECTIFICATION.name) is None


def test_to_replace_a_value_by_itself_is_refused(lake):
    who = somebody(lake, "email")
    answer = ask(lake, who["customer_id"], "email", who["email"], *WHY)
    assert answer.exit_code == 2
    assert "has this value already" in answer.output
