"""Gateway: draws, leases, intake, the log and its signed heads."""
