"""Exported tables as columns, vertices and edges as rows."""
