"""Component types that YAML under `defs/` declares: one per kind of thing that a company configures."""

from assets.components.channel import Channel
from assets.components.identity import Identity
from assets.components.purpose import Purpose
from assets.components.survivorship import Survivorship

__all__ = ["Channel", "Identity", "Purpose", "Survivorship"]
