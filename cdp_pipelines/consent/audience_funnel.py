"""The audience funnel of a purpose: from all customers to those who may be processed, step by step.

Also compares the decisions of two registers. How one decision is made belongs in `decide`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.history import DECISION_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdp_pipelines.schema import DecisionFrame, DecisionRows

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
ALL_CUSTOMERS, REQUIRED = "all customers", "required purposes allowed"
FUNNEL = {"step": pl.String, "customer_count": pl.Int64, "dropped_count": pl.Int64, "reasons": pl.String}
STEP_NUMBERS = {reason: number for number, reasons in enumerate(STEPS.values()) for reason in reasons}


def build_funnel(decisions: DecisionFrame, purpose: str) -> pl.DataFrame:
    """Customers who remain after each step of the decision on a purpose, in the order of the checks.

    Key (step), the first is `all customers`; columns of `FUNNEL`: customer_count (who remain), dropped_count, and
    reasons (reason and number of customers, as text). `decisions`: the current ones. A customer drops out at the step
    that denies the last of their contact points.
    """
    of_purpose = decisions.filter(pl.col("purpose") == purpose).select("customer_id", "reason")
    number = pl.col("reason").replace_strict(
        STEP_NUMBERS | {"allowed": len(STEPS) + 1}, default=len(STEPS), return_dtype=pl.Int64
    )
    counts = (
        of_purpose.with_columns(number.alias("step"))
        .sort("step", "reason", descending=[True, False])
        .unique("customer_id", keep="first", maintain_order=True)
        .group_by("step", "reason")
        .len()
        .collect()
    )
    remaining = int(counts["len"].sum())
    rows: list[tuple[str, int, int, str]] = [(ALL_CUSTOMERS, remaining, 0, "")]
    for step_number, step in enumerate([*STEPS, REQUIRED]):
        dropped = counts.filter(step=step_number).sort("len", "reason", descending=[True, False])
        dropped_count = int(dropped["len"].sum())
        remaining -= dropped_count
        reasons = ", ".join(f"{reason}: {count:,}" for _, reason, count in dropped.iter_rows())
        rows.append((step, remaining, dropped_count, reasons))
    return pl.DataFrame(rows, schema=FUNNEL, orient="row")


def extend_funnel(steps: pl.DataFrame, remaining: Mapping[str, int], reasons: Mapping[str, str]) -> pl.DataFrame:
    """A funnel (`FUNNEL`) with further steps: the customers who remain after each, and why the others drop out."""
    rows, before = [], steps["customer_count"][-1]
    for step, count in remaining.items():
        rows.append((step, count, before - count, f"{reasons[step]}: {before - count:,}" if before > count else ""))
        before = count
    return pl.concat([steps, pl.DataFrame(rows, schema=FUNNEL, orient="row")])


def draw_bar(count: float, total: float, width: int = 20) -> str:
    """A bar of block characters, exact to an eighth of a character."""
    eighths = round(8 * width * count / total) if total else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def draw_funnel(steps: pl.DataFrame) -> str:
    """The funnel as a Markdown table with a bar for each step; steps that drop nobody are left out."""
    total = steps.filter(step=ALL_CUSTOMERS).select("customer_count").item()
    rows = [
        f"| {row['step']} | {row['customer_count']:,} | {draw_bar(row['customer_count'], total)} | {row['reasons']} |"
        for row in steps.iter_rows(named=True)
        if row["dropped_count"] or row["step"] == ALL_CUSTOMERS
    ]
    return "\n".join(["| step | customers left | | left out |", "|---|---:|---|---|", *rows])


def compare_decisions(before: DecisionRows, after: DecisionRows) -> pl.DataFrame:
    """Decisions that another register changes; `before`, `after`: `decide.COLUMNS`.

    Key (customer_id, purpose, contact_point); columns reason_before and reason_after (`not_decided` where the register
    has no such decision) and effect: comes in, drops out, or stays out for another reason.
    """
    both = before.select(*DECISION_KEY, pl.col("reason").alias("reason_before")).join(
        after.select(*DECISION_KEY, pl.col("reason").alias("reason_after")), on=DECISION_KEY, how="full", coalesce=True
    )
    named = both.with_columns(pl.col("reason_before", "reason_after").fill_null("not_decided"))
    was_allowed, is_allowed = pl.col("reason_before") == "allowed", pl.col("reason_after") == "allowed"
    effect = (
        pl.when(was_allowed & ~is_allowed)
        .then(pl.lit("drops out"))
        .when(~was_allowed & is_allowed)
        .then(pl.lit("comes in"))
        .otherwise(pl.lit("stays out, for another reason"))
    )
    changed = named.filter(pl.col("reason_before") != pl.col("reason_after"))
    return changed.with_columns(effect.alias("effect")).sort(DECISION_KEY)
