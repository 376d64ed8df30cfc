"""From all customers to those who may be reached, step by step; and what another register would change."""

from __future__ import annotations

import polars as pl

from cdp_pipelines.consent.history import DECISION_KEY

STEPS = {
    "in force": ("purpose_not_in_force",),
    "not erased": ("erased",),
    "not restricted": ("restricted",),
    "of age": ("under_age", "age_unknown"),
    "has a contact point": ("no_contact_point",),
    "not suppressed": ("suppressed",),
    "deliverable": ("undeliverable",),
    "not objected": ("objected",),
    "basis holds": ("no_consent", "no_live_contract", "obligation_ended", "interest_lapsed", "no_case"),
    "not denied or withdrawn": ("denied", "withdrawn"),
    "not expired": ("expired",),
    "notice accepted": ("notice_outdated",),
}
REQUIRED = "required purposes allowed"
# Of a customer's contact points the one that comes farthest counts.
_STEP_OF = {reason: n for n, reasons in enumerate(STEPS.values()) for reason in reasons}


def build_funnel(decisions: pl.LazyFrame, purpose: str) -> pl.DataFrame:
    """Customers left after each step of a purpose's decision, in the order of the checks.

    Key (step): the first is `all customers`; columns left, dropped, and because (reason: customers, in text). Takes
    decisions that stand (customer_id, purpose, reason); a customer counts at the step at which the last of their
    contact points is denied.
    """
    mine = decisions.filter(pl.col("purpose") == purpose).select("customer_id", "reason")
    number = pl.col("reason").replace_strict(
        _STEP_OF | {"allowed": len(STEPS) + 1}, default=len(STEPS), return_dtype=pl.Int64
    )
    reached = (
        mine.with_columns(number.alias("step"))
        .sort("step", "reason", descending=[True, False])
        .unique("customer_id", keep="first", maintain_order=True)
        .group_by("step", "reason")
        .len()
        .collect()
    )
    left, rows = int(reached["len"].sum()), []
    rows.append({"step": "all customers", "left": left, "dropped": 0, "because": ""})
    for n, name in enumerate([*STEPS, REQUIRED]):
        here = reached.filter(step=n).sort("len", "reason", descending=[True, False])
        left -= (dropped := int(here["len"].sum()))
        because = ", ".join(f"{reason}: {count:,}" for _, reason, count in here.iter_rows())
        rows.append({"step": name, "left": left, "dropped": dropped, "because": because})
    return pl.DataFrame(rows, schema={"step": pl.String, "left": pl.Int64, "dropped": pl.Int64, "because": pl.String})


def draw_bar(left: int, of: int, width: int = 20) -> str:
    """A bar of blocks, an eighth of a block exact."""
    eighths = round(8 * width * left / of) if of else 0
    return "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]


def draw_funnel(steps: pl.DataFrame) -> str:
    """The waterfall as a table in Markdown, each step with its bar."""
    of = steps["left"].max() or 0
    rows = [
        f"| {row['step']} | {row['left']:,} | {draw_bar(row['left'], of)} | {row['because']} |"
        for row in steps.iter_rows(named=True)
        if row["dropped"] or row["step"] == "all customers"
    ]
    return "\n".join(["| step | customers left | | left out |", "|---|---:|---|---|", *rows])


def compare_decisions(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Questions whose answer another register changes; `before`, `after`: `decide.COLUMNS`.

    Key (customer_id, purpose, contact_point); columns reason_before, reason_after (`not_asked` where it is not asked
    then) and effect: comes in, drops out, or stays in or out for another reason.
    """
    told = [frame.select(*DECISION_KEY, "reason") for frame in (before, after)]
    both = told[0].join(told[1], on=DECISION_KEY, how="full", coalesce=True, suffix="_after")
    named = both.select(
        *DECISION_KEY,
        pl.col("reason").fill_null("not_asked").alias("reason_before"),
        pl.col("reason_after").fill_null("not_asked"),
    )
    was, is_now = pl.col("reason_before") == "allowed", pl.col("reason_after") == "allowed"
    effect = (
        pl.when(was & ~is_now)
        .then(pl.lit("drops out"))
        .when(~was & is_now)
        .then(pl.lit("comes in"))
        .otherwise(pl.lit("stays out, for another reason"))
    )
    changed = named.filter(pl.col("reason_before") != pl.col("reason_after"))
    return changed.with_columns(effect.alias("effect")).sort(DECISION_KEY)
