"""A training graph to trials, metrics and an artifact."""

import os

# Read by OpenMP when torch is loaded. Threads that spin long while they wait slow each other down on a busy
# machine; threads that sleep at once lose time on a quiet one. Figures: tests/quality/LOG.md.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")
