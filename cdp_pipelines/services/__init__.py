"""Use cases on a lake: each reads what it needs, calls the domain, and returns facts. No Dagster, no Typer, no HTML."""
