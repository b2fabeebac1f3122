"""Ensembles: several artifacts that answer as one (docs/serving.md, Ensembles)."""
