"""What is asked for: the request document, read strictly, all errors at once."""
