"""Lineage: the sources of every column, the data categories behind it, and the places that store each category.

`graph` holds the columns and their sources, `raw` the mapping from raw fields, `minimise` the check that a mart takes
no more than its purpose permits, `places` the storage locations.
"""

from cdp_pipelines.lineage.graph import (
    ColumnGraph,
    LineageError,
    LineagePath,
    build_column_graph,
    build_purpose_graph,
    list_tables,
)
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
    "build_column_graph",
    "build_purpose_graph",
    "check_all_minimised",
    "check_minimised",
    "describe_origins",
    "list_categories",
    "list_locations",
    "list_tables",
    "with_raw_sources",
]
