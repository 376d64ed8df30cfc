"""What assets share: the lake as a resource, the specs of assets, and the gate before each write."""
