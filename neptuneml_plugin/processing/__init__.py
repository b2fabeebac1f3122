"""Exported files to a training graph: ids, encoded features, splits, reverse edges."""
