"""What requesters do: describe a campaign, create and pay for it, watch it, take its results."""
