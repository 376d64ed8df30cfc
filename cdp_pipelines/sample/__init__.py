"""The generated demonstration company: raw exports in the formats of fifteen channels, planted defects, and the truth."""

from cdp_pipelines.sample.generate import Drop, generate

__all__ = ["Drop", "generate"]
