"""The register: one broken file for each rule with its exact error; versions; the purposes of a valid one."""

import shutil
from pathlib import Path

import pytest
import yaml

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.purposes import Purpose, load_register
from tests.cdp_pipelines.consent.inputs import REGISTER, at

FAILING = Path(__file__).parent / "failing"
VALID = {
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
    "aggregate_column_taken": "letters/defs.yaml: aggregate: people is already a column of every aggregate; choose another name",
    "aggregate_identified": "letters/defs.yaml: (the whole): an aggregate has no rows about people; remove identified_because",
    "aggregate_of_nothing": "letters/defs.yaml: (the whole): aggregate names shoe_size; allowed: city",
    "aggregate_of_persons": "letters/defs.yaml: (the whole): an aggregate has no rows about people; remove the columns key, email",
    "aggregate_sums_text": "letters/defs.yaml: (the whole): aggregate sums country; only columns of whole numbers can be summed",
    "aggregate_twice": "letters/defs.yaml: aggregate: dimensions and sums name a column twice: orders",
    "automated_on_interests": "letters/defs.yaml: (the whole): automated_decision is not allowed with lawful_basis legitimate_interests; allowed: consent, contract, legal_obligation (Art. 22(2))",
    "bands_fall": "letters/defs.yaml: columns.4: bands must increase; found: 5, 1",
    "bands_of_a_time": "letters/defs.yaml: columns.4: bands are for whole numbers; measure.last_order_at has another type",
    "basis_unknown": "letters/defs.yaml: lawful_basis: Input should be 'consent', 'contract', 'legal_obligation', 'vital_interests', 'public_interest' or 'legitimate_interests' (found 'habit')",
    "categories_none": "letters/defs.yaml: data_categories: Tuple should have at least 1 item after validation, not 0 (found [])",
    "column_source_unknown": "letters/defs.yaml: columns.4: source 'raw.email' must begin with one of: customer, decision, measure, subject",
    "column_twice": "letters/defs.yaml: columns: two columns have the same name: x",
    "column_unknown": "letters/defs.yaml: columns.4: source 'decision.shoe_size' does not exist; decision has: customer_id, purpose, contact_point, is_allowed, reason, lawful_basis, since_at, evidence, purpose_version, ledger_position, valid_from, valid_to",
    "columns_without_basis": "letters/defs.yaml: (the whole): columns: add one with the source decision.lawful_basis: a row must name its lawful basis (Art. 6(1))",
    "columns_without_evidence": "letters/defs.yaml: (the whole): columns: add one with the source subject.evidence: a row must name its evidence (Art. 5(2))",
    "columns_without_key": "letters/defs.yaml: (the whole): columns: add one with the source subject.key: a row must name its subject",
    "columns_without_since": "letters/defs.yaml: (the whole): columns: add one with the source decision.since_at: a row must state since when it is allowed",
    "consent_without_notice": "letters/defs.yaml: (the whole): lawful_basis consent needs notice: the oldest version of the notice under which a consent counts (Art. 7(1))",
    "contract_opens_what_it_closes": "letters/defs.yaml: contract: a type cannot be in opened_by and closed_by; both have: refund",
    "contract_type_unknown": "letters/defs.yaml: contract.opened_by.0: Input should be 'order', 'refund', 'receipt', 'event', 'call', 'post', 'survey', 'reading', 'visit', 'warranty', 'account' or 'membership' (found 'sale')\nletters/defs.yaml: contract.opened_by: Tuple should have at least 1 item after validation, not 0 (found ['sale'])",
    "contract_without_terms": "letters/defs.yaml: (the whole): lawful_basis contract needs contract: what opens and ends a contract (Art. 6(1)(b))",
    "customer_id_in_a_mart": "letters/defs.yaml: columns.4: source 'customer.customer_id' would let marts be joined; use 'subject.key' instead",
    "cut_of_a_number": "letters/defs.yaml: columns.4: cut_to is for times; measure.order_count has another type",
    "decided_to_the_instant": "letters/defs.yaml: columns.2: the instant of decision.since_at would let marts be joined; set cut_to to date or coarser",
    "effective_from_no_date": "letters/defs.yaml: effective_from: Input should be a valid date or datetime, input is too short (found 'soon')",
    "evidence_in_a_mart": "letters/defs.yaml: columns.3: source 'decision.evidence' would let marts be joined; use 'subject.evidence' instead",
    "exact_without_reason": "letters/defs.yaml: (the whole): orders would single people out; declare bands, cut_to or identified_because",
    "field_unknown": "letters/defs.yaml: colour: Extra inputs are not permitted (found 'red'); allowed: title, lawful_basis, effective_from, version, replaces, scope, data_subjects, data_categories, columns, identified_because, minimum_group, shape, aggregate, recipients, transfers, security, retention, retention_from, jurisdictions, minimum_age, requires_known_age, notice, contract, obligation, law, interest, assessment, unification, requires, direct_marketing, automated_decision, special_category",
    "group_of_one": "letters/defs.yaml: minimum_group: Input should be greater than or equal to 2 (found 1)",
    "identifier_without_reason": "letters/defs.yaml: (the whole): email would identify people; remove it, or declare identified_because (Art. 5(1)(c))",
    "interests_without_assessment": "letters/defs.yaml: (the whole): lawful_basis legitimate_interests needs assessment: the reference of the balancing test (Art. 6(1)(f))",
    "interests_without_contacts": "letters/defs.yaml: (the whole): lawful_basis legitimate_interests needs interest: what counts as a contact (Art. 5(1)(e))",
    "jurisdiction_rule_unknown": "letters/defs.yaml: jurisdictions.EU: Input should be 'opt_in' or 'opt_out' (found 'maybe')",
    "key_declared": "letters/defs.yaml: key: found 'letters'; it is set from the name of the folder: remove it",
    "known_age_without_minimum": "letters/defs.yaml: (the whole): requires_known_age needs minimum_age",
    "minimum_age_none": "letters/defs.yaml: minimum_age: Input should be greater than or equal to 1 (found 0)",
    "no_attributes": "letters/defs.yaml: attributes: missing: a purpose is declared as a mapping under attributes",
    "no_yaml": "letters/defs.yaml: line 3: is not valid YAML",
    "notice_no_date": "letters/defs.yaml: notice: String should match pattern '^([0-9]{4}-[0-9]{2}(-[0-9]{2})?|[1-9][0-9]{0,8})$' (found 'v2')",
    "obligation_without_law": "letters/defs.yaml: (the whole): lawful_basis legal_obligation needs law: the law that obliges (Art. 6(3))",
    "obligation_without_records": "letters/defs.yaml: (the whole): lawful_basis legal_obligation needs obligation: the records that create the obligation (Art. 6(1)(c))",
    "opt_out_of_special_category": "letters/defs.yaml: (the whole): jurisdictions US-CA are opt_out; special_category and automated_decision need opt_in (Art. 9(2)(a), 22(2)(c))",
    "opt_out_without_consent": "letters/defs.yaml: (the whole): jurisdictions US-CA are opt_out, which needs consent; found contract",
    "public_interest_without_law": "letters/defs.yaml: (the whole): lawful_basis public_interest needs law: the law that defines the task (Art. 6(3))",
    "reason_without_article": "letters/defs.yaml: identified_because: String should match pattern 'Art\\. ?[0-9]' (found 'we like to know')",
    "reason_without_mart": "letters/defs.yaml: (the whole): identified_because needs a mart; declare columns or remove it",
    "replaces_nothing": "letters/defs.yaml: replaces: found '0'; it is the first version: remove it",
    "requires_another_scope": "letters/defs.yaml: requires: 'calls' has scope 'phone'; allowed scopes: email, person",
    "requires_in_a_circle": "letters/defs.yaml: requires: purposes require each other, so none could be allowed: letters -> loop -> letters",
    "requires_itself": "letters/defs.yaml: requires: purposes require each other, so none could be allowed: letters -> letters",
    "requires_unknown": "letters/defs.yaml: requires: found 'world_peace'; allowed: calls, letters",
    "retention_empty": "letters/defs.yaml: retention: String should match pattern '^P([0-9]+Y([0-9]+M)?([0-9]+D)?|[0-9]+M([0-9]+D)?|[0-9]+D)$' (found 'P')",
    "retention_no_duration": "letters/defs.yaml: retention: String should match pattern '^P([0-9]+Y([0-9]+M)?([0-9]+D)?|[0-9]+M([0-9]+D)?|[0-9]+D)$' (found '2 years')",
    "scope_unknown": "letters/defs.yaml: scope: Input should be 'person', 'email', 'phone' or 'device' (found 'street')",
    "shape_without_key": "letters/defs.yaml: (the whole): shape: add key: a row must name its subject",
    "shape_without_sql": "letters/defs.yaml: shape: mart.sql is missing beside it",
    "special_category_on_contract": "letters/defs.yaml: (the whole): special_category is not allowed with lawful_basis contract (Art. 9(2))",
    "sql_declared": "letters/defs.yaml: sql: found 'SELECT 1'; it is set from the mart.sql beside it: remove it",
    "subjects_none": "letters/defs.yaml: data_subjects: Tuple should have at least 1 item after validation, not 0 (found [])",
    "terms_of_another_basis": "letters/defs.yaml: (the whole): contract is for lawful_basis contract; this purpose has consent",
    "transfer_to_nobody": "letters/defs.yaml: (the whole): transfers to printer; allowed are its recipients: sender",
    "transfer_without_safeguard": "letters/defs.yaml: transfers.0.safeguard: Field required",
    "unification_of_a_contact_point": "letters/defs.yaml: (the whole): unification calls needs scope person; this purpose has scope email",
    "unification_unknown": "letters/defs.yaml: unification: found 'world_peace'; allowed: calls, letters",
    "title_missing": "letters/defs.yaml: title: Field required",
}  # fmt: skip


def write_purpose(path: Path, **changes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    attributes = {key: value for key, value in (VALID | changes).items() if value is not None}
    path.write_text(yaml.safe_dump({"type": "assets.components.Purpose", "attributes": attributes}))
    return path


def load_error(folder: Path) -> str:
    with pytest.raises(PolicyError) as raised:
        load_register(folder)
    return str(raised.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("name", sorted(path.stem for path in FAILING.iterdir()))
def test_a_broken_purpose_is_refused_with_its_error(name, tmp_path):
    write_purpose(tmp_path / "calls" / "defs.yaml", scope="phone")
    if name == "requires_in_a_circle":
        write_purpose(tmp_path / "loop" / "defs.yaml", scope="email", requires=["letters"])
    (tmp_path / "letters").mkdir()
    shutil.copy(FAILING / f"{name}.yaml", tmp_path / "letters" / "defs.yaml")
    assert load_error(tmp_path) == ERRORS[name]


def test_two_purposes_with_one_key_are_refused(tmp_path):
    first = write_purpose(tmp_path / "a" / "letters" / "defs.yaml")
    write_purpose(tmp_path / "b" / "letters" / "defs.yaml")
    assert (
        load_error(tmp_path)
        == f"b/letters/defs.yaml: key: 'letters' is already declared in {first.relative_to(tmp_path)}: rename one of the two folders"
    )


def test_a_key_of_other_characters_is_refused(tmp_path):
    write_purpose(tmp_path / "Letters-2" / "defs.yaml")
    assert (
        load_error(tmp_path)
        == "Letters-2/defs.yaml: key: found 'Letters-2'; allowed are words of the letters a to z, joined by _: rename the folder"
    )


FIRST = {"version": "1"}
SECOND = {"version": "2", "replaces": "1", "effective_from": "2011-01-01"}
CHAINS = [
    pytest.param(FIRST, SECOND | {"replaces": None}, "letters/defs.yaml: replaces: found 'None'; allowed: '1', the version before it", id="replaces_missing"),
    pytest.param(FIRST, SECOND | {"replaces": "0"}, "letters/defs.yaml: replaces: found '0'; allowed: '1', the version before it", id="replaces_another"),
    pytest.param(FIRST, SECOND | {"version": "1"}, "letters/defs.yaml: version: found '1'; the version before it has the same name: choose a new one", id="version_twice"),
    pytest.param(FIRST, SECOND | {"effective_from": "2010-01-01"}, "letters/defs.yaml: effective_from: found '2010-01-01'; the version before it has the same day: choose a later one", id="same_day"),
    pytest.param(FIRST, SECOND | {"scope": "email"}, "letters/defs.yaml: scope: found 'email'; allowed: 'person'; another scope needs a new purpose", id="another_scope"),
    pytest.param(FIRST, SECOND | {"lawful_basis": "public_interest", "law": "x"}, "letters/defs.yaml: lawful_basis: found 'public_interest'; allowed: 'consent'; another basis needs a new purpose (Art. 7(3))", id="basis_swapped"),
    pytest.param(SECOND, FIRST, "letters/defs.yaml: effective_from: found 2010-01-01; defs.yaml must have the newest version, and another one has 2011-01-01", id="newest_elsewhere"),
    pytest.param(FIRST | {"requires": ["nothing"]}, SECOND, "letters/versions/old.yaml: requires: found 'nothing'; allowed: letters", id="an_older_version_is_checked_too"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CHAINS)
def test_versions_that_contradict_are_refused(old, new, expected, tmp_path):
    write_purpose(tmp_path / "letters" / "versions" / "old.yaml", **old)
    write_purpose(tmp_path / "letters" / "defs.yaml", **new)
    assert load_error(tmp_path) == expected


def test_the_version_in_force_at_an_instant():
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
        pytest.param("9", "2011-06", False, id="a_date_is_not_a_number"),
        pytest.param("2011-06", "v2012-01", False, id="neither"),
    ],
)
def test_accepted_notices(oldest, shown, expected):
    assert Purpose.model_validate(VALID | {"notice": oldest}).accepts(shown) is expected


def test_every_field_names_its_article():
    descriptions = {name: field.description for name, field in Purpose.model_fields.items()}
    # The scope follows from no article.
    assert {name for name, text in descriptions.items() if "Art. " not in text} == {"scope"}
