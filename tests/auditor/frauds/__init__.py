"""Frauds, each with the code that must be found first; one file per kind."""

from tests.auditor.frauds import (  # noqa: F401  (importing a file enters its frauds)
    answers,
    contracts,
    disputes,
    gold,
    leases,
    log,
    measured,
    money,
    openings,
    payouts,
    receipts,
    record,
    signatures,
    slashes,
)
from tests.auditor.frauds.catalogue import CATALOGUE, STAGES, Fraud, page, stage

__all__ = ["CATALOGUE", "STAGES", "Fraud", "page", "stage"]
