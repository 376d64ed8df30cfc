"""Who is one person in a lake, by what it holds and remembers; nothing is written."""

from assets.policies import bound_channels, comparing
from cdp_pipelines.identity import IdentityPolicy, Memory, Resolution, resolve
from cdp_pipelines.tables import COMPARED, PARTY, REVIEW, SEEN
from warehouse.lake import Lake


def resolved(store: Lake, policy: IdentityPolicy) -> Resolution:
    """The customers of all records; what the last night compared is not compared again."""
    before = Memory(store.read(SEEN), store.read(COMPARED))
    return resolve(store.read(PARTY), policy, store.read(REVIEW), bound_channels(), before, comparing())
