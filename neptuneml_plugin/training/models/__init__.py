"""What learns: encoders and decoders."""
