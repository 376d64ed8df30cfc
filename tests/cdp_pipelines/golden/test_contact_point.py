"""Contact points: the state of each, when it was last used, what it may be used for, and who shares it."""

from datetime import timedelta

import pytest

from cdp_pipelines.golden import contact_point, rectification
from cdp_pipelines.schema import CONTACT_POINT, DECISION, INTERACTION, LEDGER, RECTIFICATION
from tests.cdp_pipelines.golden.records import (
    NOW,
    START,
    C,
    crosswalk_of,
    frame,
    golden,
    party_of,
    policy_of,
    put_right,
    will,
)

A, PHONE, OTHER = "a@x.de", "+12065550100", "c_000000000000000b"
RECORDS = [
    ("crm", 1, {"email": A, "phone": PHONE}),
    ("shop", 2, {"email": "b@x.de"}),
    ("shop", 3, {"email": A, "first_name": "Bob"}),
]
CUSTOMERS = {"r2": OTHER}


def day(n):
    return START + timedelta(days=n)


STATES = [
    pytest.param([], "unverified", {}, id="nothing_known"),
    pytest.param([will(1, "email", A, "verified", 1)], "verified", {"verified_at": day(1)}, id="verified"),
    pytest.param([will(1, "email", A, "granted", 1, "letters")], "unverified", {}, id="a_grant_alone"),
    pytest.param(
        [will(1, "email", A, "granted", 1, "letters", method="link")], "verified", {"verified_at": day(1)}, id="by_link"
    ),
    pytest.param(
        [will(1, "email", A, "bounced", 2), will(2, "email", A, "verified", 1)],
        "bounced",
        {"bounced_at": day(2), "verified_at": day(1)},
        id="bounced_after_verified",
    ),
    pytest.param(
        [will(1, "email", A, "bounced", 1), will(2, "email", A, "verified", 1)],
        "bounced",
        {"bounced_at": day(1), "verified_at": day(1)},
        id="at_one_instant_the_more_restrictive_is_later",
    ),
    pytest.param(
        [will(1, "email", A, "complained", 1), will(2, "email", A, "bounced", 3)],
        "bounced",
        {"complained_at": day(1), "bounced_at": day(3)},
        id="bounced_before_complained",
    ),
    pytest.param([will(1, "email", A, "complained", 1)], "complained", {"complained_at": day(1)}, id="complained"),
    pytest.param([will(1, "email", A, "unsubscribed", 2)], "unsubscribed", {"unsubscribed_at": day(2)}, id="left"),
    pytest.param(
        [will(1, "email", A, "unsubscribed", 1), will(2, "email", A, "granted", 2, "letters")],
        "unverified",
        {"unsubscribed_at": day(1)},
        id="granted_since_it_was_left",
    ),
    pytest.param([will(1, "email", "b@x.de", "bounced", 1)], "unverified", {}, id="another_one"),
    pytest.param([will(1, "email", A, "bounced", 2000)], "unverified", {}, id="not_yet"),
]


@pytest.mark.parametrize(("ledger", "state", "times"), STATES)
def test_state(ledger, state, times):
    for wills in (ledger, ledger[::-1]):
        found = contact_point.build_contact_point_states(frame(LEDGER, wills), ("link",), NOW).collect()
        mine = found.filter(kind="email", value=A).to_dicts() or [{"state": "unverified"}]
        assert mine[0]["state"] == state
        assert {name: at for name, at in mine[0].items() if name.endswith("_at") and at is not None} == times


@pytest.fixture
def points():
    """Two customers who share an e-mail; one has another one that replaced a third."""
    policy = policy_of()
    right = [put_right(1, ("shop", "r1"), "email", "z@x.de", replaces="b@x.de")]
    prefers = [{"channel": "crm", "source_record_id": "p0", "updated_at": START, "preferred_channel": "email"}]
    candidates, customers = golden(RECORDS, policy, rectified=right, customers=CUSTOMERS, preferences=prefers)
    party = party_of(RECORDS)
    crosswalk = crosswalk_of(party, customers=CUSTOMERS)
    allowed = [("service", "", True), ("letters", "b@x.de", True), ("letters", A, False), ("letters", "z@x.de", True)]
    decisions = frame(
        DECISION,
        [
            {"customer_id": C, "purpose": purpose, "contact_point": point, "is_allowed": is_allowed}
            for purpose, point, is_allowed in allowed
        ],
    )
    done = [
        {"channel": "crm", "source_record_id": "r0", "occurred_at": day(1)},
        {"channel": "shop", "source_record_id": "r2", "occurred_at": day(2000)},
    ]
    states = contact_point.build_contact_point_states(frame(LEDGER, [will(1, "phone", PHONE, "bounced", 1)]), (), NOW)
    rectified = rectification.select_current(frame(RECTIFICATION, right), crosswalk, policy.group_of)
    used = contact_point.find_last_use(party, frame(INTERACTION, done), crosswalk, NOW)
    found = contact_point.build_contact_points(candidates.lazy(), customers.lazy(), states, rectified, used, decisions)
    return found.collect().sort(CONTACT_POINT.key)


def test_each_contact_point_of_each_customer_once_with_its_state(points):
    assert points.schema == CONTACT_POINT.schema
    assert points.select("customer_id", "value", "state", "is_golden", "is_preferred").rows() == [
        (C, A, "unverified", False, False),
        (C, "b@x.de", "replaced", False, False),
        (C, "z@x.de", "unverified", True, True),
        (C, PHONE, "bounced", True, False),
        (OTHER, A, "unverified", True, False),
    ]


def test_what_it_may_be_used_for_is_what_it_was_collected_for_and_what_is_allowed_on_it(points):
    mine = points.filter(customer_id=C)
    purposes = {row["value"]: (row["collected_for"], row["allowed_for"]) for row in mine.to_dicts()}
    assert purposes == {
        A: (["letters", "service"], ["service"]),
        "b@x.de": ([], []),
        # Letters may go to it, but nobody collected it for letters.
        "z@x.de": (["service"], ["service"]),
        PHONE: (["letters", "service"], ["service"]),
    }


def test_use_and_sharing(points):
    used = points.select("customer_id", "value", "last_used_at", "customer_count").rows()
    assert [row for row in used if row[2] is not None] == [(C, A, day(1), 2), (C, PHONE, day(1), 1)]
    assert {(row[0], row[1]) for row in used if row[3] > 1} == {(C, A), (OTHER, A)}
