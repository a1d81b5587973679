"""decide(manifest, previous, log, supplement): the one place where rules become payouts."""
