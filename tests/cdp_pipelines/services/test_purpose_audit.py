"""A purpose over all nights."""

from cdp_pipelines.schema import RUN
from tests.commands import read_answer


def test_a_purpose_tells_whom_it_may_process_and_why_not(audited):
    answer = read_answer("audit", "purpose", "email_marketing", "--lake", audited.lake.path)
    assert answer["versions"][0]["lawful_basis"] == "consent"
    assert {row["reason"] for row in answer["decisions"]} > {"allowed", "no_consent", "withdrawn"}
    assert answer["nights"][-1]["night"] == str(audited.lake.read(RUN)["night"].max())
    assert answer["nights"][-1]["allowed_count"] > 0
