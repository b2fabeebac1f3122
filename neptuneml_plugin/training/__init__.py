"""A training graph to trials, metrics and an artifact."""
