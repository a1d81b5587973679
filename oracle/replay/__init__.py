"""Replay: label files and simulated contributors driven through the whole protocol."""
