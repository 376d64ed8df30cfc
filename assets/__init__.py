"""What exists and when it runs: the Dagster project and the command line over it. Imports all other rooms."""
