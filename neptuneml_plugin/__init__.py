"""Neptune ML for every TinkerPop graph."""

__version__ = "0.1.0"
