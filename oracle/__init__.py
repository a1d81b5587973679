"""Oracle network of DDLP: evidence, consensus, receipts, and the audit that replays them."""
