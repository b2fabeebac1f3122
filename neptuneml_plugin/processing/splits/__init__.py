"""Which rows train, validate and test, and what is doubtful about it."""
