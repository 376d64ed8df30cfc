"""Storage: Delta tables of the lake, the drop folder, keys, and serving to BI tools. Imports only `cdp_pipelines`."""
