"""Trials: which hyperparameters they take, and how they run."""
