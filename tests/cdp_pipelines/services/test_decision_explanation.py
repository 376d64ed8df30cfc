"""`cdp why`: the checks, the consent events and the identity paths of a decision."""

import pytest

from tests.commands import read_answer, run_command


def test_why_says_what_was_decided_and_shows_the_event_that_decided(sample, member):
    answer = read_answer("why", member[1], "email_marketing", "--lake", sample.lake.path)
    verdict = [row for row in answer["checks"] if row["check"] == "allowed"]
    events = {row["event_id"]: row for row in answer["consent_events"]}
    assert verdict
    assert {events[row["evidence"]]["effect"] for row in verdict} == {"counts"}
    assert {row["holder"] for row in answer["identity_paths"]} >= {member[0]}


def test_why_before_the_grant_was_recorded_says_no_consent(sample, member):
    words = (member[0], "email_marketing", "--lake", sample.lake.path, "--known-at", "2001-01-01")
    answer = read_answer("why", *words)
    denied = {row["check"] for row in answer["checks"] if row["outcome"] == "denied"}
    assert denied <= {"no_consent", "no_contact_point"}
    assert denied
    effects = {row["effect"] for row in answer["consent_events"]}
    assert effects <= {"was recorded later than known_at", "is about another contact point"}


@pytest.mark.parametrize("format_", ["text", "html"])
def test_why_for_people(sample, member, format_):
    done = run_command(
        "why", member[0], "email_marketing", "--lake", sample.lake.path, "--format", format_, "--output", "-"
    )
    assert done.exit_code == 0
    assert "allowed" in done.output
    assert "Consent events" in done.output
