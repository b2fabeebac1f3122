"""Processes killed at random moments; what must be found afterwards."""
