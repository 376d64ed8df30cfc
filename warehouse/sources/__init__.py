"""Where deliveries come from: the drop folder."""
