"""The number that stands for everything that a customer's golden record rests on."""

import pytest

from cdp_pipelines.schema import CONSENT_EVENT, PREFERENCE
from tests.cdp_pipelines.golden.records import (
    START,
    C,
    crosswalk_of,
    frame,
    input_of,
    party_of,
    policy_of,
    put_right,
    will,
)

OTHER = "c_000000000000000b"
RECORDS = [("crm", 1, {"email": "a@x.de", "city": "Ulm"}), ("shop", 2, {"email": "b@x.de"})]
PREFERRED = {"channel": "crm", "source_record_id": "r0", "updated_at": START, "preferred_channel": "email"}
GRANT = {**will(1, "email", "a@x.de", "granted", 3, "letters"), "channel": "crm", "source_record_id": "r0"}
VERIFIED = will(1, "email", "a@x.de", "verified", 4)
BOUNCED = will(2, "email", "a@x.de", "bounced", 5)
BASE = {"records": RECORDS, "preferences": [PREFERRED], "consents": [GRANT], "ledger": [VERIFIED], "rectified": []}


def digest(*, records, preferences, consents, ledger, rectified, profiled=True):
    """Customer to number: record r0 is C's, r1 the other one's."""
    policy, party, preference = policy_of(), party_of(records), frame(PREFERENCE, preferences)
    crosswalk = crosswalk_of(party, customers={"r1": OTHER}, profiled=profiled)
    events = [{name: value for name, value in each.items() if name in CONSENT_EVENT.schema} for each in consents]
    found = input_of(party, preference, crosswalk, policy, consents=events, ledger=ledger, rectified=rectified)
    return dict(found.digest().iter_rows())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"records": [("crm", 1, {"email": "a@x.de", "city": "Bonn"}), RECORDS[1]]}, id="a_value"),
        pytest.param({"records": [("crm", 8, RECORDS[0][2]), RECORDS[1]]}, id="a_time"),
        pytest.param({"preferences": [{**PREFERRED, "preferred_channel": "sms"}]}, id="a_preference"),
        pytest.param({"consents": [{**GRANT, "purpose": "service"}]}, id="what_the_record_grants"),
        pytest.param({"consents": []}, id="that_it_grants"),
        pytest.param({"ledger": [VERIFIED, BOUNCED]}, id="a_bounce"),
        pytest.param({"rectified": [put_right(1, ("crm", "r0"), "city", "Bonn")]}, id="a_rectification"),
    ],
)
def test_whatever_changes_gives_the_customer_another_number_and_nobody_else(change):
    before, after = digest(**BASE), digest(**BASE | change)
    assert set(before) == set(after) == {C, OTHER}
    assert before[C] != after[C]
    assert before[OTHER] == after[OTHER]


def test_the_order_of_rows_does_not_matter_and_who_has_no_profile_has_no_number():
    again = {"consents": [GRANT, {**GRANT, "event_id": "e:2", "purpose": "service"}]}
    assert digest(**BASE | again) == digest(**BASE | {"consents": again["consents"][::-1]})
    assert digest(**BASE, profiled=False) == {}
