"""What an export writes: its tables, and the training-data configuration of either version."""
