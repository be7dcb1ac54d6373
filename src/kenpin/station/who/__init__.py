"""Who may do what: accounts, roles, sessions and tokens, and the guards before every request."""
