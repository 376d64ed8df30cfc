"""The declaration of the signs by which a file is whole."""

import pytest
from pydantic import ValidationError

from cdp_pipelines.channels.completeness import Completeness


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        pytest.param({}, "declare settle_seconds, marker, manifest", id="nothing"),
        pytest.param({"settle_seconds": 0}, "greater than 0", id="no_time"),
        pytest.param({"settle_seconds": 86400}, "less than or equal to 3600", id="a_day"),
        pytest.param({"marker": "done/{file}"}, "should match pattern", id="another_folder"),
        pytest.param({"manifest": "*.sha256"}, "should match pattern", id="a_pattern"),
        pytest.param({"marker": ".done"}, "should match pattern", id="hidden"),
        pytest.param({"marker": "{file}"}, "is the file itself", id="the_file_itself"),
        pytest.param({"stamp": "{file}.done"}, "Extra inputs", id="unknown_key"),
    ],
)
def test_a_wrong_declaration_is_refused_with_what_is_allowed(declared, message):
    with pytest.raises(ValidationError, match=message):
        Completeness(**declared)


@pytest.mark.parametrize(
    ("name", "is_sign"),
    [("orders_1.csv.done", True), ("_SUMS", True), ("orders_1.csv", False), ("other.csv.done", False)],
)
def test_markers_and_manifests_are_told_from_deliveries(name, is_sign):
    signs = Completeness(marker="{file}.done", manifest="_SUMS")
    assert signs.is_sign(name, "orders_*") == is_sign
