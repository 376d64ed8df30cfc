"""`cdp`: the command line over the same job, tables and policies that Dagster runs."""

from cdp_pipelines.cli.main import app

__all__ = ["app"]
