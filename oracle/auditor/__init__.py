"""Auditor: replays consensus and money from chain and content alone."""
