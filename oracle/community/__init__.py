"""What the page does for people, off chain: sessions, consent, learning, questions."""
