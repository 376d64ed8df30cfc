"""Where every column comes from, what of it is personal data of which category, and where each category lives."""

from cdp_pipelines.lineage.graph import ColumnGraph, LineageError, Path, column_graph, every_table, purpose_graph
from cdp_pipelines.lineage.minimise import EXEMPTIONS, STOPS, Exemption, all_minimised, minimised, origins_told
from cdp_pipelines.lineage.places import Place, categories, places
from cdp_pipelines.lineage.raw import with_raw_sources

__all__ = [
    "EXEMPTIONS",
    "STOPS",
    "ColumnGraph",
    "Exemption",
    "LineageError",
    "Path",
    "Place",
    "all_minimised",
    "categories",
    "column_graph",
    "every_table",
    "minimised",
    "origins_told",
    "places",
    "purpose_graph",
    "with_raw_sources",
]
