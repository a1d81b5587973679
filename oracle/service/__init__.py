"""Operator's loop: follow, decide, sign, post, finalize."""
