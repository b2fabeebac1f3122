"""The live graph to Neptune's CSV and training-data configuration."""
