"""The only wiring of adapters to ports."""
