"""Which nights need confirmation, by the declaration of the company."""

from datetime import date

import pytest

from cdp_pipelines.purposes.company import PlausibleNights

TODAY = date(2026, 11, 26)
NIGHTS = PlausibleNights(oldest=date(2000, 1, 1), days_ahead=1, longest_gap_days=100)


@pytest.mark.parametrize(
    ("nights", "newest", "implausible"),
    [
        pytest.param(["2026-11-25", "2026-11-26", "2026-11-27"], "2026-11-24", [], id="until_tomorrow"),
        pytest.param(["2026-11-28"], "2026-11-24", ["2026-11-28"], id="after_tomorrow"),
        pytest.param(["2204-07-01", "9999-12-31", "2026-11-25"], None, ["2204-07-01", "9999-12-31"], id="far_future"),
        pytest.param(["0001-01-01", "1999-12-31", "2000-01-01"], None, ["0001-01-01", "1999-12-31"], id="long_ago"),
        pytest.param(["2026-06-01"], None, [], id="first_night"),
        pytest.param(["2024-07-01", "2024-10-09"], None, [], id="gap_of_100_days"),
        pytest.param(["2024-07-01", "2024-10-10"], None, ["2024-10-10"], id="gap_of_101_days"),
        pytest.param(["2024-10-10"], "2024-07-01", ["2024-10-10"], id="gap_after_the_lake"),
        pytest.param(["2024-09-01", "2024-10-10"], "2024-07-01", [], id="gap_filled_by_a_delivery"),
        pytest.param(["2024-10-10", "2024-10-11"], "2024-07-01", ["2024-10-10", "2024-10-11"], id="both_after_the_gap"),
        pytest.param(["2023-01-01"], "2024-07-01", [], id="late"),
    ],
)
def test_implausible_nights(nights, newest, implausible):
    found = NIGHTS.find_implausible(
        [date.fromisoformat(night) for night in nights], newest and date.fromisoformat(newest), TODAY
    )
    assert [str(night) for night in found] == implausible
    assert all(reason.startswith("is ") for reason in found.values())
