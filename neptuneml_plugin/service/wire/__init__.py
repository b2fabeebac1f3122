"""Neptune's management JSON <-> dataclasses."""
