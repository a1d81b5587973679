"""Content adapters: Kubo, local directory, CAR; every block read is verified."""
