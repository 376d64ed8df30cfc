"""The published marts on a PostgreSQL server, on demand.

Here belongs the report of what a publication changed. The publication itself is `warehouse.serving.postgres`.
"""

from pathlib import Path

from cdp_pipelines.services.document import Document, Section
from warehouse.delta.lake import Lake
from warehouse.serving import postgres
from warehouse.serving.roles import role_name


def publish_to_server(server: str, lake: Path) -> Document:
    """Make the server hold what the served file holds; what changed, and which role may read each mart."""
    publication = postgres.publish(server, Lake(lake.absolute()))
    rows = [
        {"mart": key, "row_count": count, "is_changed": key in publication.changed, "reader_role": role_name(key)}
        for key, count in publication.rows.items()
    ]
    return Document(
        f"Published to the database {publication.database}",
        f"{publication.inserted_count:,} rows inserted, {publication.deleted_count:,} deleted.",
        [Section("marts", rows)],
    )
