"""`cdp`: the command line over the same job, tables and policies that Dagster runs."""

from assets.cli.main import app

__all__ = ["app"]
