"""Gold, agreement, reputation, and the rules of payment and slashing."""
