"""The training-data configuration, as the export writes it and as people edit it."""
