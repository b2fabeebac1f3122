"""Custom models: training and transform by scripts of the user's, in processes of their own (docs/training.md)."""
