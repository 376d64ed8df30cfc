"""The join attack on published marts: it names nobody, and it would without what protects them."""

import pytest
from typer.testing import CliRunner

from cdp_pipelines.cli import app
from cdp_pipelines.marts.join_attack import PublishedMart, count_shared_keys, run_attacks
from cdp_pipelines.marts.mart import build_permitted, select_members
from cdp_pipelines.marts.measures import compute_measures
from cdp_pipelines.marts.pseudonym import find_holders
from cdp_pipelines.schema import CROSSWALK, CUSTOMER, DECISION, INTERACTION, PROVENANCE, RUN
from cdp_pipelines.schema.duration import start_of_window
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register
from cdp_pipelines.services.join_verification import read_published_marts
from warehouse.keys import mart_key

PSEUDONYMOUS = {"advertising", "fraud_prevention", "location_services", "personalisation", "profiling", "service_security"}  # fmt: skip


@pytest.mark.parametrize("company", ["sample", "anytown"])
def test_nobody_is_named_by_any_join(company, request, capsys):
    lake = request.getfixturevalue(company).lake
    done = CliRunner().invoke(app, ["verify", "joins", "--lake", str(lake.path)])
    with capsys.disabled():
        print(f"\n{company}: {' '.join(done.output.split())[:300]}")
    assert done.exit_code == 0, done.output
    output = " ".join(done.output.split())
    assert ": 0 people identified; 0 keys or references are in two marts; 0 rows are in groups" in output
    assert {key for key in PSEUDONYMOUS if key in output} == PSEUDONYMOUS
    marts = read_published_marts(lake)
    assert {mart.purpose.key for mart in marts if mart.purpose.mart_kind == "pseudonymous"} == PSEUDONYMOUS
    assert sum(mart.rows.height for mart in marts) > 0
    assert count_shared_keys(marts) == 0


def exact(lake, key):
    """A pseudonymous mart as it would be without protection: every value as it was."""
    declared = load_company_register()[key]
    columns = [column.model_copy(update={"bands": (), "cut_to": None}) for column in declared.columns]
    bare = declared.model_copy(update={"columns": tuple(columns), "identified_because": "planted, against Art. 25"})
    as_of = lake.read(RUN)["as_of"].max()
    channels = [name for name, each in load_all_contracts().items() if key in each.collected_for]
    crosswalk, secret = lake.scan(CROSSWALK), mart_key(lake.path, key)
    done = compute_measures(lake.scan(INTERACTION), crosswalk, channels, start_of_window(bare.retention, as_of), as_of)
    members = select_members(bare, lake.scan(DECISION), lake.scan(PROVENANCE), lake.scan(CUSTOMER))
    rows = build_permitted(bare, members, done, secret)
    return PublishedMart(
        declared.model_copy(update={"columns": tuple(columns)}), find_holders(rows, crosswalk, secret).collect()
    )


def test_with_exact_values_the_same_attack_names_people(sample, capsys):
    marts = [exact(sample.lake, key) for key in ("fraud_prevention", "profiling", "service_security")]
    found = {(each.one, each.other): each for each in run_attacks(marts)}
    with capsys.disabled():
        for each in found.values():
            on = ", ".join(each.columns)
            print(
                f"\n{each.one} with {each.other} on {on}: {each.identified_count} of {each.claimed_count} claims are true"
            )
    assert found["fraud_prevention", "profiling"].identified_count > 5
    assert found["fraud_prevention", "service_security"].identified_count > 5


def test_one_mart_in_groups_is_enough_against_another_that_is_exact(sample):
    kept = {mart.purpose.key: mart for mart in read_published_marts(sample.lake)}
    for one, other in (("fraud_prevention", "profiling"), ("profiling", "fraud_prevention")):
        (found,) = run_attacks([kept[one], exact(sample.lake, other)])
        assert found.join_count > 0
        assert found.identified_count == 0
