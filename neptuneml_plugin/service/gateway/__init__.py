"""Gremlin on the service's port: what callers send goes on to the configured Gremlin Server (docs/gateway.md)."""
