"""Channels: what they promise (`contract`), how their bytes become records (`records`), which are refused (`rules`)."""
