"""A company that never was: its raw exports in the formats of the fifteen channels, planted defects, and the truth."""

from cdp_pipelines.sample.generate import Drop, generate

__all__ = ["Drop", "generate"]
