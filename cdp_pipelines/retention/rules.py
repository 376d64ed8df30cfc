"""Retention rules: how long the values of a channel may be used, and which purpose or promise decides that.

Here belong the policy and the durations that follow from contracts and purposes. Applying them to rows is `expiry`.

A value lives as long as the longest purpose that its channel collects it for and that may use its category. The
channel's own retention is a promise of the company and limits that, except for a contract or legal obligation that the
records of the channel create: decisions on those rest on the records. `profile_unification` keeps nothing by itself,
because it lives while any purpose lives. A value without a category follows its row, and a row lives as long as its
last value.

Source: GDPR Art. 5(1)(b), (c) and (e), 17(1)(a), 17(3)(b), 30(1)(f).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from cdp_pipelines.channels.field import column_name
from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.purposes.purpose import UNIFICATION
from cdp_pipelines.purposes.terms import Duration
from cdp_pipelines.schema import INTERACTION_TYPES
from cdp_pipelines.schema.duration import mean_days

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.purposes.purpose import Purpose

# Rules that are not purposes: the channel's promise, the period for refused records, and that no purpose may use it.
CHANNEL, QUARANTINE, NO_PURPOSE = "channel", "quarantine", "no_purpose"
AT_ONCE = "P0D"
RESTS_ON_RECORDS = ("contract", "legal_obligation")


class RemovalLimit(PolicyModel):
    """How much of a table may be removed in one night without confirmation."""

    share: float = Field(default=0.2, gt=0, le=1, description="Largest share of the rows of a table")
    row_count: int = Field(default=1000, ge=0, description="So many rows may always be removed, whatever their share")

    def is_exceeded(self, removed_count: int, total_count: int) -> bool:
        """Whether the removal of `removed_count` of `total_count` rows needs confirmation."""
        return removed_count > max(self.row_count, self.share * total_count)


class RetentionPolicy(PolicyModel):
    """What applies to all channels besides their own retention."""

    hold: Duration = Field(
        description="How long ended data is stored, without being used, before it is removed (backups, disputes)"
    )
    quarantine: Duration = Field(
        description="How long a refused record is kept from the night that refused it, unless its channel keeps less"
    )
    unconfirmed_removal: RemovalLimit = Field(
        default=RemovalLimit(), description="How much of a table is removed in one night without confirmation"
    )


class RetentionRule(NamedTuple):
    """How long values live from the event of their record: the rule, its ISO 8601 duration, and the columns."""

    rule: str
    retention: str
    columns: tuple[str, ...] = ()


class ChannelRetention(NamedTuple):
    """Rules of one channel: that of its rows, and those of values that end before their row."""

    row: RetentionRule
    values: tuple[RetentionRule, ...]


def compute_retention_rules(contract: ChannelContract, purposes: Mapping[str, Purpose]) -> ChannelRetention:
    """Rules of a channel under `purposes` (those in force, by key).

    Of two purposes with one duration the first by name is the rule. Durations compare by their mean length in days.
    """
    naming = {contract.key, *contract.event_time.fields}
    rule_of_field = {
        name: _find_longest_rule(contract, field.category, purposes)
        for name, field in contract.fields.items()
        if name not in naming and field.category != "other"
    }
    rules = [rule for rule in rule_of_field.values() if rule is not None]
    row = max(
        (rule for rule in rules if rule.rule != NO_PURPOSE),
        key=_rank_rule,
        default=RetentionRule(CHANNEL, contract.retention),
    )
    shorter = sorted({rule for rule in rules if mean_days(rule.retention) < mean_days(row.retention)}, key=_rank_rule)
    return ChannelRetention(
        row,
        tuple(
            rule._replace(columns=tuple(column_name(name) for name, found in rule_of_field.items() if found == rule))
            for rule in shorter
        ),
    )


def compute_quarantine_rule(contract: ChannelContract, policy: RetentionPolicy) -> RetentionRule:
    """Rule of a channel's refused records: the declared period for them, or the channel's own if that is shorter."""
    return min(
        RetentionRule(QUARANTINE, policy.quarantine),
        RetentionRule(CHANNEL, contract.retention),
        key=lambda rule: mean_days(rule.retention),
    )


def _find_longest_rule(
    contract: ChannelContract, category: str, purposes: Mapping[str, Purpose]
) -> RetentionRule | None:
    """Rule of a category in a channel; None where its values live as long as their row."""
    keys = [key for key in sorted(contract.collected_for) if category in purposes[key].data_categories]
    if not keys:
        return RetentionRule(NO_PURPOSE, AT_ONCE)
    rules = [_build_purpose_rule(contract, purposes[key]) for key in keys if key != UNIFICATION]
    return max(rules, key=_rank_rule, default=None)


def _build_purpose_rule(contract: ChannelContract, purpose: Purpose) -> RetentionRule:
    durations = [purpose.retention, *([purpose.contract.lasts] if purpose.contract else [])]
    rule = RetentionRule(purpose.key, max(durations, key=mean_days))
    creating_types = purpose.contract.opened_by if purpose.contract else purpose.retaining_types
    if purpose.lawful_basis in RESTS_ON_RECORDS and _list_record_types(contract).intersection(creating_types):
        return rule
    return min(rule, RetentionRule(CHANNEL, contract.retention), key=lambda each: mean_days(each.retention))


def _list_record_types(contract: ChannelContract) -> set[str]:
    """Types of record, as purposes name them, that the records of a channel can be."""
    types: set[str] = set()
    if interaction := contract.interaction:
        kind = interaction.type
        types |= {kind.constant} if kind.constant else set(kind.map.values() if kind.map else INTERACTION_TYPES)
        types |= {"refund"} if interaction.refund_when_negative else set()
    if contract.party:
        holdings = {"account": contract.party.account_id, "membership": contract.party.loyalty_card}
        types |= {"record", *(name for name, value in holdings.items() if value)}
    types |= {"consent_event"} if contract.consents else set()
    return types | ({"request"} if contract.privacy_request else set())


def _rank_rule(rule: RetentionRule) -> tuple[float, list[int]]:
    # The longest, and of those the first by name.
    return mean_days(rule.retention), [-ord(sign) for sign in rule.rule]
