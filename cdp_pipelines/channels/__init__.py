"""Channels: the declared contract of each source, and the reading of its files into records.

Here belong the contract (`contract`, `field`, `mapping`, `consent_mapping`), the file formats (`records`, `formats`)
and the reading of field values (`field_value`). Refusing records and building the standard tables follow in
`cdp_pipelines.standardise`.
"""
