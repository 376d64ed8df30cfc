"""Where it lies: Delta tables of the lake, the drop folder, and serving to BI tools. Imports `cdp_pipelines` alone."""
