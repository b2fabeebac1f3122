"""How good a model is: metrics, predictions per split, and the trivial competitors."""
