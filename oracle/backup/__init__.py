"""Backups of a process' state, and what can be rebuilt from chain and content without one."""
