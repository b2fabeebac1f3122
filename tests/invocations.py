"""Reads an invocation's bytes as a worker does."""

from neptuneml_plugin.serving.invocation import Invocation
from neptuneml_plugin.serving.wire import load, read_invocation


def parse_invocation(body: bytes) -> Invocation:
    """Read a request."""
    return read_invocation(load(body))
