"""Gateway and operator as processes of their own: what each runs, and its commands."""
