"""What `cdp bench` runs and prints."""
