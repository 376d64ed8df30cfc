"""The register: one broken file for each rule with its exact error; versions; what a sound one gives."""

import shutil
from pathlib import Path

import pytest
import yaml

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.purposes import Purpose, load_register
from tests.cdp_pipelines.consent.worlds import REGISTER, at

FAILING = Path(__file__).parent / "failing"
SOUND = {
    "title": "T",
    "lawful_basis": "consent",
    "effective_from": "2010-01-01",
    "version": "1",
    "notice": "2010-06",
    "data_categories": ["contact"],
    "recipients": [],
    "retention": "P1Y",
}
ERRORS = {
    "aggregate_column_taken": "letters/defs.yaml: aggregate: people is a column of every aggregate: call it something else",
    "aggregate_identified": "letters/defs.yaml: (the whole): aggregate holds no person: leave out identified_because",
    "aggregate_of_nothing": "letters/defs.yaml: (the whole): aggregate names shoe_size; there are: city",
    "aggregate_of_persons": "letters/defs.yaml: (the whole): aggregate holds no person: leave out key, email",
    "aggregate_sums_text": "letters/defs.yaml: (the whole): aggregate sums country, which is no column of whole numbers",
    "aggregate_twice": "letters/defs.yaml: aggregate: dimensions and sums name twice: orders",
    "automated_on_interests": "letters/defs.yaml: (the whole): automated_decision cannot rest on legitimate_interests; on: consent, contract, legal_obligation (Art. 22(2))",
    "bands_fall": "letters/defs.yaml: columns.4: bands do not rise: 5, 1",
    "bands_of_a_time": "letters/defs.yaml: columns.4: bands are for whole numbers; measure.last_order_at is none",
    "basis_unknown": "letters/defs.yaml: lawful_basis: Input should be 'consent', 'contract', 'legal_obligation', 'vital_interests', 'public_interest' or 'legitimate_interests' (found 'habit')",
    "categories_none": "letters/defs.yaml: data_categories: Tuple should have at least 1 item after validation, not 0 (found [])",
    "column_source_unknown": "letters/defs.yaml: columns.4: source 'raw.email' begins with none of: customer, decision, measure, subject",
    "column_twice": "letters/defs.yaml: columns: two columns have one name: x",
    "column_unknown": "letters/defs.yaml: columns.4: there is no 'decision.shoe_size'; decision has: customer_id, purpose, contact_point, is_allowed, reason, lawful_basis, since_at, evidence, purpose_version, ledger_position, valid_from, valid_to",
    "columns_without_basis": "letters/defs.yaml: (the whole): columns: none has the source decision.lawful_basis: a row must say by what right it is there (Art. 6(1))",
    "columns_without_evidence": "letters/defs.yaml: (the whole): columns: none has the source subject.evidence: a row must say on what evidence (Art. 5(2))",
    "columns_without_key": "letters/defs.yaml: (the whole): columns: none has the source subject.key: a row must say whose it is",
    "columns_without_since": "letters/defs.yaml: (the whole): columns: none has the source decision.since_at: a row must say since when",
    "consent_without_notice": "letters/defs.yaml: (the whole): lawful_basis consent needs notice: the oldest version of the notice under which a consent counts (Art. 7(1))",
    "contract_opens_what_it_closes": "letters/defs.yaml: contract: opened_by and closed_by both have: refund",
    "contract_type_unknown": "letters/defs.yaml: contract.opened_by.0: Input should be 'order', 'refund', 'receipt', 'event', 'call', 'post', 'survey', 'reading', 'visit', 'warranty', 'account' or 'membership' (found 'sale')\nletters/defs.yaml: contract.opened_by: Tuple should have at least 1 item after validation, not 0 (found ['sale'])",
    "contract_without_terms": "letters/defs.yaml: (the whole): lawful_basis contract needs contract: what opens and ends one (Art. 6(1)(b))",
    "customer_id_in_a_mart": "letters/defs.yaml: columns.4: 'customer.customer_id' would join this mart with others; there is 'subject.key'",
    "cut_of_a_number": "letters/defs.yaml: columns.4: cut_to is for times; measure.order_count is none",
    "decided_to_the_instant": "letters/defs.yaml: columns.2: the instant of decision.since_at would join this mart with others: cut_to date or coarser",
    "effective_from_no_date": "letters/defs.yaml: effective_from: Input should be a valid date or datetime, input is too short (found 'soon')",
    "evidence_in_a_mart": "letters/defs.yaml: columns.3: 'decision.evidence' would join this mart with others; there is 'subject.evidence'",
    "exact_without_reason": "letters/defs.yaml: (the whole): orders would single people out: declare bands or cut_to, or say why in identified_because",
    "field_unknown": "letters/defs.yaml: colour: Extra inputs are not permitted (found 'red'); there are: title, lawful_basis, effective_from, version, replaces, scope, data_subjects, data_categories, columns, identified_because, minimum_group, shape, aggregate, recipients, transfers, security, retention, retention_from, jurisdictions, minimum_age, requires_known_age, notice, contract, obligation, law, interest, assessment, unification, requires, direct_marketing, automated_decision, special_category",
    "group_of_one": "letters/defs.yaml: minimum_group: Input should be greater than or equal to 2 (found 1)",
    "identifier_without_reason": "letters/defs.yaml: (the whole): email would name people: say why in identified_because, or leave it out (Art. 5(1)(c))",
    "interests_without_assessment": "letters/defs.yaml: (the whole): lawful_basis legitimate_interests needs assessment: the reference of the balancing test (Art. 6(1)(f))",
    "interests_without_contacts": "letters/defs.yaml: (the whole): lawful_basis legitimate_interests needs interest: what counts as a contact (Art. 5(1)(e))",
    "jurisdiction_rule_unknown": "letters/defs.yaml: jurisdictions.EU: Input should be 'opt_in' or 'opt_out' (found 'maybe')",
    "key_declared": "letters/defs.yaml: key: found 'letters'; it is the folder's name: leave it out",
    "known_age_without_minimum": "letters/defs.yaml: (the whole): requires_known_age needs minimum_age",
    "minimum_age_none": "letters/defs.yaml: minimum_age: Input should be greater than or equal to 1 (found 0)",
    "no_attributes": "letters/defs.yaml: attributes: there are none; a purpose is declared by a mapping under attributes",
    "no_yaml": "letters/defs.yaml: line 3: is no YAML",
    "notice_no_date": "letters/defs.yaml: notice: String should match pattern '^([0-9]{4}-[0-9]{2}(-[0-9]{2})?|[1-9][0-9]{0,8})$' (found 'v2')",
    "obligation_without_law": "letters/defs.yaml: (the whole): lawful_basis legal_obligation needs law: the law that obliges (Art. 6(3))",
    "obligation_without_records": "letters/defs.yaml: (the whole): lawful_basis legal_obligation needs obligation: the records that create it (Art. 6(1)(c))",
    "opt_out_of_special_category": "letters/defs.yaml: (the whole): jurisdictions US-CA are opt_out; special_category and automated_decision need opt_in (Art. 9(2)(a), 22(2)(c))",
    "opt_out_without_consent": "letters/defs.yaml: (the whole): jurisdictions US-CA are opt_out, which is for consent, not contract",
    "public_interest_without_law": "letters/defs.yaml: (the whole): lawful_basis public_interest needs law: the law that lays the task down (Art. 6(3))",
    "reason_without_article": "letters/defs.yaml: identified_because: String should match pattern 'Art\\. ?[0-9]' (found 'we like to know')",
    "reason_without_mart": "letters/defs.yaml: (the whole): identified_because is about a mart; without columns there is none",
    "replaces_nothing": "letters/defs.yaml: replaces: found '0'; it is the first version: leave it out",
    "requires_another_scope": "letters/defs.yaml: requires: 'calls' has scope 'phone'; allowed: email, person",
    "requires_in_a_circle": "letters/defs.yaml: requires: go in a circle, which none could ever leave: letters -> loop -> letters",
    "requires_itself": "letters/defs.yaml: requires: go in a circle, which none could ever leave: letters -> letters",
    "requires_unknown": "letters/defs.yaml: requires: there is no purpose 'world_peace'; there are: calls, letters",
    "retention_empty": "letters/defs.yaml: retention: String should match pattern '^P([0-9]+Y([0-9]+M)?([0-9]+D)?|[0-9]+M([0-9]+D)?|[0-9]+D)$' (found 'P')",
    "retention_no_duration": "letters/defs.yaml: retention: String should match pattern '^P([0-9]+Y([0-9]+M)?([0-9]+D)?|[0-9]+M([0-9]+D)?|[0-9]+D)$' (found '2 years')",
    "scope_unknown": "letters/defs.yaml: scope: Input should be 'person', 'email', 'phone' or 'device' (found 'street')",
    "shape_without_key": "letters/defs.yaml: (the whole): shape: there is no key: a row must say whose it is",
    "shape_without_sql": "letters/defs.yaml: shape: there is no mart.sql beside it",
    "special_category_on_contract": "letters/defs.yaml: (the whole): special_category cannot rest on contract (Art. 9(2))",
    "sql_declared": "letters/defs.yaml: sql: found 'SELECT 1'; it is the mart.sql beside it: leave it out",
    "subjects_none": "letters/defs.yaml: data_subjects: Tuple should have at least 1 item after validation, not 0 (found [])",
    "terms_of_another_basis": "letters/defs.yaml: (the whole): contract is for lawful_basis contract; this one is consent",
    "transfer_to_nobody": "letters/defs.yaml: (the whole): transfers to printer; recipients has: sender",
    "transfer_without_safeguard": "letters/defs.yaml: transfers.0.safeguard: Field required",
    "unification_of_a_contact_point": "letters/defs.yaml: (the whole): unification calls is for scope person; this one is email",
    "unification_unknown": "letters/defs.yaml: unification: there is no purpose 'world_peace'; there are: calls, letters",
    "title_missing": "letters/defs.yaml: title: Field required",
}  # fmt: skip


def write(path: Path, **changes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    attributes = {key: value for key, value in (SOUND | changes).items() if value is not None}
    path.write_text(yaml.safe_dump({"type": "assets.components.Purpose", "attributes": attributes}))
    return path


def error(folder: Path) -> str:
    with pytest.raises(PolicyError) as raised:
        load_register(folder)
    return str(raised.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("name", sorted(path.stem for path in FAILING.iterdir()))
def test_broken(name, tmp_path):
    write(tmp_path / "calls" / "defs.yaml", scope="phone")
    if name == "requires_in_a_circle":
        write(tmp_path / "loop" / "defs.yaml", scope="email", requires=["letters"])
    (tmp_path / "letters").mkdir()
    shutil.copy(FAILING / f"{name}.yaml", tmp_path / "letters" / "defs.yaml")
    assert error(tmp_path) == ERRORS[name]


def test_two_purposes_with_one_key(tmp_path):
    first = write(tmp_path / "a" / "letters" / "defs.yaml")
    write(tmp_path / "b" / "letters" / "defs.yaml")
    assert (
        error(tmp_path) == f"b/letters/defs.yaml: key: 'letters' is declared in {first.relative_to(tmp_path)} already"
    )


def test_a_key_is_words(tmp_path):
    write(tmp_path / "Letters-2" / "defs.yaml")
    assert (
        error(tmp_path)
        == "Letters-2/defs.yaml: key: the folder is 'Letters-2'; a key is of words of a to z, joined by _"
    )


FIRST = {"version": "1"}
SECOND = {"version": "2", "replaces": "1", "effective_from": "2011-01-01"}
CHAINS = [
    pytest.param(FIRST, SECOND | {"replaces": None}, "letters/defs.yaml: replaces: found 'None'; the version before it is '1'", id="replaces_missing"),
    pytest.param(FIRST, SECOND | {"replaces": "0"}, "letters/defs.yaml: replaces: found '0'; the version before it is '1'", id="replaces_another"),
    pytest.param(FIRST, SECOND | {"version": "1"}, "letters/defs.yaml: version: found '1'; the version before it has the same name", id="version_twice"),
    pytest.param(FIRST, SECOND | {"effective_from": "2010-01-01"}, "letters/defs.yaml: effective_from: found '2010-01-01'; the version before it is of the same day", id="same_day"),
    pytest.param(FIRST, SECOND | {"scope": "email"}, "letters/defs.yaml: scope: found 'email'; it was 'person': another scope is another purpose", id="another_scope"),
    pytest.param(FIRST, SECOND | {"lawful_basis": "public_interest", "law": "x"}, "letters/defs.yaml: lawful_basis: found 'public_interest'; consent is not swapped for another basis (Art. 7(3)): that is another purpose", id="basis_swapped"),
    pytest.param(SECOND, FIRST, "letters/defs.yaml: effective_from: found 2010-01-01; defs.yaml has the newest, and there is 2011-01-01", id="newest_elsewhere"),
    pytest.param(FIRST | {"requires": ["nothing"]}, SECOND, "letters/versions/old.yaml: requires: there is no purpose 'nothing'; there are: letters", id="an_older_version_is_checked_too"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CHAINS)
def test_versions_that_do_not_fit(old, new, expected, tmp_path):
    write(tmp_path / "letters" / "versions" / "old.yaml", **old)
    write(tmp_path / "letters" / "defs.yaml", **new)
    assert error(tmp_path) == expected


def test_the_version_in_force():
    versions = {
        moment: REGISTER.at(at(moment))["renewed"].version for moment in ("2009-01-01", "2011-02-28", "2011-03-01")
    }
    assert versions == {"2009-01-01": "1", "2011-02-28": "1", "2011-03-01": "2"}
    assert REGISTER["renewed"].version == "2"
    assert list(REGISTER) == sorted(REGISTER)


@pytest.mark.parametrize(
    ("oldest", "shown", "expected"),
    [
        pytest.param("2011-06", "2011-06", True, id="the_oldest"),
        pytest.param("2011-06", "2011-06-15", True, id="within_its_month"),
        pytest.param("2011-06", "2011-05-31", False, id="older"),
        pytest.param("9", "10", True, id="numbers_as_numbers"),
        pytest.param("10", "9", False, id="older_number"),
        pytest.param("9", "2011-06", False, id="a_date_is_no_number"),
        pytest.param("2011-06", "v2012-01", False, id="neither"),
    ],
)
def test_accepted_notices(oldest, shown, expected):
    assert Purpose.model_validate(SOUND | {"notice": oldest}).accepts(shown) is expected


def test_every_field_says_which_article_it_serves():
    about = {name: field.description for name, field in Purpose.model_fields.items()}
    # What is decided on is no article's matter.
    assert {name for name, text in about.items() if "Art. " not in text} == {"scope"}
