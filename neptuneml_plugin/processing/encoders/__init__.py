"""Encoders: one kind of values per module, each with how it is learnt and how it is applied."""
