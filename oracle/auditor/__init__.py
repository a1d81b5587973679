"""Auditor: replays consensus and money from chain and content alone."""

from oracle.auditor.report import AuditReport, Finding
from oracle.auditor.verdicts import audit, audit_node

__all__ = ["AuditReport", "Finding", "audit", "audit_node"]
