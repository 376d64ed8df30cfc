"""What a company declares of each processing: purposes, their lawful bases, the controller, the record of processing.

Whether a customer may be processed for a purpose is decided in `cdp_pipelines.consent`.
"""

from cdp_pipelines.purposes.purpose import Purpose, Register, load_register

__all__ = ["Purpose", "Register", "load_register"]
