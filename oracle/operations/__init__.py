"""What keeps a service running for months: its loop, health, metrics, logs and doctor."""
