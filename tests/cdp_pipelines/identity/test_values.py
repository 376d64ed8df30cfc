"""Distinct records: the fields of records, in standard form, each distinct record once."""

import polars as pl
import pytest

from cdp_pipelines.identity.values import abbreviate_streets, build_distinct_records, normalise_names
from tests.cdp_pipelines.identity.records import ANN, NONE, POLICY, distinct_of, party


def test_names_become_plain_letters_however_often_they_come():
    names = pl.Series(["Мария", "Ann", "Мария", None, "Núria", "???"])
    assert normalise_names(names).to_list() == ["mariya", "ann", "mariya", None, "nuria", None]


STREETS = [
    pytest.param("5 Oak Street", "5 oak st", id="kind_of_street"),
    pytest.param("5  North Oak Street.", "5 n oak st", id="two_words_side_by_side"),
    pytest.param("Straße 7", "strasse 7", id="script"),
    pytest.param("Oak Street", None, id="no_house_number"),
    pytest.param("12 Streetham Avenue", "12 streetham ave", id="only_whole_words"),
]


@pytest.mark.parametrize(("street", "short"), STREETS)
def test_streets_are_abbreviated(street, short):
    if short and "strasse" in short:
        short = short.replace("strasse", "str")
    assert abbreviate_streets(pl.Series([street])).to_list() == [short]


def test_records_with_equal_normalised_fields_are_one_distinct_record():
    distinct = distinct_of(ANN, {**ANN, "first_name": "ANN", "street": "5 Oak Street"}, {**ANN, "first_name": "Anne"})
    assert distinct.records["distinct"].to_list() == [0, 0, 1]
    assert distinct.count == 2
    assert distinct.texts["street"].to_list() == ["5 oak st", "5 oak st"]


def test_the_earliest_record_has_the_first_number_in_any_order():
    frame = party({**ANN, "source_record_id": "b"}, {**ANN, "source_record_id": "a", "first_name": "Eva"})
    distinct = build_distinct_records(frame, POLICY, NONE)
    assert distinct.records["source_record_id"].to_list() == ["a", "b"]
    assert distinct.texts["first_name"].to_list() == ["eva", "ann"]


def test_digests_do_not_depend_on_the_other_records():
    one, several = distinct_of(ANN), distinct_of({"first_name": "Zoe"}, ANN)
    assert one.digests.row(0) == several.digests.row(1)
    assert one.digests.row(0) != several.digests.row(0)


def test_a_separate_record_and_a_non_linking_channel_have_their_own_distinct_records():
    frame = party(ANN, ANN, {**ANN, "channel": "till"}, {**ANN, "channel": "till"})
    separate = pl.DataFrame({"channel": ["t"], "source_record_id": ["r1"]})
    distinct = build_distinct_records(frame, POLICY, separate, non_linking=["till"])
    assert distinct.records["distinct"].to_list() == [0, 1, 2, 2]
    assert distinct.non_linking.to_list() == [False, False, True]


def test_only_a_first_name_or_a_birth_date_identifies():
    distinct = distinct_of(ANN, {"email": "a@x.de", "last_name": "Ervin"}, {"birth_date": ANN["birth_date"]})
    assert distinct.is_identifying.to_list() == [True, False, True]
    assert distinct.identifying_codes["distinct"].to_list() == [0, 2]
