"""Where every column comes from, what of it is personal data of which category, and where each category lives."""

from cdp_pipelines.lineage.graph import ColumnGraph, LineageError, LineagePath, column_graph, list_tables, purpose_graph
from cdp_pipelines.lineage.minimise import (
    EXEMPTIONS,
    STOPS,
    Exemption,
    check_all_minimised,
    check_minimised,
    describe_origins,
)
from cdp_pipelines.lineage.places import StorageLocation, list_categories, list_locations
from cdp_pipelines.lineage.raw import with_raw_sources

__all__ = [
    "EXEMPTIONS",
    "STOPS",
    "ColumnGraph",
    "Exemption",
    "LineageError",
    "LineagePath",
    "StorageLocation",
    "check_all_minimised",
    "check_minimised",
    "column_graph",
    "describe_origins",
    "list_categories",
    "list_locations",
    "list_tables",
    "purpose_graph",
    "with_raw_sources",
]
