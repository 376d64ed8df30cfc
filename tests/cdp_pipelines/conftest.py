"""What tests of answers share: a lake of their own, and a customer in a mart."""

from dataclasses import replace

import polars as pl
import pytest

from cdp_pipelines.schema import CLUSTER, MEMBERSHIP, PARTY
from tests.conftest import copy_lake


@pytest.fixture(scope="module")
def audited(sample, tmp_path_factory):
    """The company with a lake of its own: every signed answer leaves a receipt in it."""
    return replace(sample, lake=copy_lake(sample.lake, tmp_path_factory.mktemp("audited") / "lake"))


@pytest.fixture(scope="module")
def member(sample):
    """A customer in the newsletter's mart, and the e-mail that finds them."""
    records = sample.lake.read(CLUSTER).join(sample.lake.read(PARTY), on=["channel", "source_record_id"])
    alone = records.drop_nulls("email").group_by("email").agg(pl.col("customer_id").n_unique().alias("n"))
    ids = sample.lake.read(MEMBERSHIP).filter(purpose="email_marketing")["customer_id"]
    own = records.join(alone.filter(n=1), on="email", how="semi").filter(pl.col("customer_id").is_in(ids.implode()))
    return own.sort("customer_id").select("customer_id", "email").row(0)
