"""Who may look behind a token, and the record of everybody who did."""
