"""Retention: how long each value of a raw record may be used, when it is removed from the lake, and by which rule.

`rules` derives periods from contracts and purposes, `expiry` selects the rows within them, `log` counts the others.
"""

from cdp_pipelines.retention.expiry import (
    find_expiring,
    select_refused_within_hold,
    select_usable,
    select_within_hold,
)
from cdp_pipelines.retention.log import (
    WHOLE_ROW,
    count_removed_rows,
    extend_retention_log,
    find_expired_quarantine,
    find_expired_rectifications,
    find_expired_values,
    find_orphaned_rectifications,
)
from cdp_pipelines.retention.rules import (
    AT_ONCE,
    ChannelRetention,
    RetentionPolicy,
    RetentionRule,
    compute_quarantine_rule,
    compute_retention_rules,
)

__all__ = [
    "AT_ONCE",
    "WHOLE_ROW",
    "ChannelRetention",
    "RetentionPolicy",
    "RetentionRule",
    "compute_quarantine_rule",
    "compute_retention_rules",
    "count_removed_rows",
    "extend_retention_log",
    "find_expired_quarantine",
    "find_expired_rectifications",
    "find_expired_values",
    "find_expiring",
    "find_orphaned_rectifications",
    "select_refused_within_hold",
    "select_usable",
    "select_within_hold",
]
