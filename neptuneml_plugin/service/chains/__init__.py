"""Chains: jobs that follow one another, from one document to an endpoint."""
