"""`python -m oracle.auditor DIR`: as `ddlp audit DIR`."""

from oracle.auditor.commands import audit

if __name__ == "__main__":
    audit(prog_name="python -m oracle.auditor")
