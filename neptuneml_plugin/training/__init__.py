"""A training graph to trials, metrics and an artifact."""

import os

# Read by OpenMP when torch is loaded: threads that spin while they wait slow each other down on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
