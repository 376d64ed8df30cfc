"""What a company declares about its processing: purposes, their lawful bases, the controller, the record of processing.

Whether a customer may be processed for a purpose is decided in `cdp_pipelines.consent`.
"""

from cdp_pipelines.purposes.purpose import Purpose
from cdp_pipelines.purposes.register import Register, load_purpose, load_register

__all__ = ["Purpose", "Register", "load_purpose", "load_register"]
