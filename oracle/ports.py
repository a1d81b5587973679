"""Protocols between the pure rules and the adapters."""
