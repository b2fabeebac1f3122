"""What a training-data configuration may hold, as the export writes it and processing reads it."""
