"""The join attack on published marts: it names nobody, and it would without what protects them."""

import pytest
from typer.testing import CliRunner

from assets.cli import app
from assets.cli.verify_joins import marts_of
from assets.policies import contracts, register
from cdp_pipelines.golden.attack import Published, attacks, shared_names
from cdp_pipelines.golden.mart import permitted
from cdp_pipelines.golden.measures import measures, window
from cdp_pipelines.golden.pseudonym import holders
from cdp_pipelines.tables import CROSSWALK, CUSTOMER, DECISION, INTERACTION, PROVENANCE, RUN
from warehouse.keys import mart_key

PSEUDONYMOUS = {"advertising", "fraud_prevention", "location_services", "personalisation", "profiling", "service_security"}  # fmt: skip


@pytest.mark.parametrize("company", ["sample", "anytown"])
def test_nobody_is_named_by_any_join(company, request, capsys):
    lake = request.getfixturevalue(company).lake
    done = CliRunner().invoke(app, ["verify", "joins", "--lake", str(lake.path)])
    with capsys.disabled():
        print(f"\n{company}: {' '.join(done.output.split('few')[-2].split())}")
    assert done.exit_code == 0, done.output
    told = " ".join(done.output.split())
    assert ": 0 people identified; 0 keys or references are in two marts; 0 rows share" in told
    assert {key for key in PSEUDONYMOUS if key in told} == PSEUDONYMOUS
    marts = marts_of(lake)
    assert {mart.purpose.key for mart in marts if mart.purpose.mart_kind == "pseudonymous"} == PSEUDONYMOUS
    assert sum(mart.rows.height for mart in marts) > 0
    assert shared_names(marts) == 0


def exact(lake, key):
    """A pseudonymous mart as it would be without protection: every value as it was."""
    declared = register()[key]
    columns = [column.model_copy(update={"bands": (), "cut_to": None}) for column in declared.columns]
    bare = declared.model_copy(update={"columns": tuple(columns), "identified_because": "planted, against Art. 25"})
    as_of = lake.read(RUN)["as_of"].max()
    channels = [name for name, each in contracts().items() if key in each.collected_for]
    crosswalk, secret = lake.scan(CROSSWALK), mart_key(lake.path, key)
    done = measures(lake.scan(INTERACTION), crosswalk, channels, window(bare.retention, as_of), as_of)
    rows = permitted(bare, lake.scan(DECISION), lake.scan(PROVENANCE), lake.scan(CUSTOMER), done, secret)
    return Published(
        declared.model_copy(update={"columns": tuple(columns)}), holders(rows, crosswalk, secret).collect()
    )


def test_with_exact_values_the_same_attack_names_people(sample, capsys):
    marts = [exact(sample.lake, key) for key in ("fraud_prevention", "profiling", "service_security")]
    found = {(each.one, each.other): each for each in attacks(marts)}
    with capsys.disabled():
        for each in found.values():
            on = ", ".join(each.columns)
            print(f"\n{each.one} with {each.other} on {on}: {each.n_identified} of {each.n_claimed} claims are true")
    assert found["fraud_prevention", "profiling"].n_identified > 5
    assert found["fraud_prevention", "service_security"].n_identified > 5


def test_one_mart_in_groups_is_enough_against_another_that_is_exact(sample):
    kept = {mart.purpose.key: mart for mart in marts_of(sample.lake)}
    for one, other in (("fraud_prevention", "profiling"), ("profiling", "fraud_prevention")):
        (found,) = attacks([kept[one], exact(sample.lake, other)])
        assert found.n_joins > 0
        assert found.n_identified == 0
