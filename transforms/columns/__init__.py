"""Pure functions on Arrow columns: one an action."""
