"""Canonical bytes: manifest, log entries, evidence, receipt, digests, EIP-712, Merkle trees."""
