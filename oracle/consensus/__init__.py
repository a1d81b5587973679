"""Truth inference: exact integer methods that decide money, float estimators that advise."""
