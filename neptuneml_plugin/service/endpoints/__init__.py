"""Endpoints: their records, their workers, and who answers for which version."""
