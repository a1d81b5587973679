"""Rules become money here and nowhere else: draws, the log's ledger, epochs, `decide`."""
