"""Which tests stay together where several workers run them.

Modules stay whole, for the fixtures of theirs. pytest-xdist 3.8 has groups of its own, but puts them where pytest
9.2 does not look, so that they hold nothing together.
"""

from typing import Any

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

#: They share the quickstart's servers, or want the ports that it prefers; they take longest, and go first.
QUICKSTART = (
    "tests/test_quickstart.py",
    "tests/contract/test_real_answers.py",
    "tests/test_examples.py",
    "tests/test_readme.py",
)

#: They wait for jobs, which run below other processes: beside the trainings of the quickstart, which have threads
#: for all cores, they would hardly go on.
OF_JOBS = ("tests/chaos/", "tests/contract/", "tests/service/")

#: Most of their modules need no server and no training, and go last: then no worker is left alone with a long one.
QUICK = ("tests/export/", "tests/processing/")


def turn(nodeid: str) -> int:
    """Return when a test is handed out: the smaller, the earlier."""
    if nodeid.partition("::")[0] in QUICKSTART:
        return 0
    return 3 if nodeid.startswith(QUICK) else 2 if nodeid.startswith(OF_JOBS) else 1


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out modules whole, and those of the quickstart to one worker."""

    def _split_scope(self, nodeid: str) -> Any:
        module = nodeid.partition("::")[0]
        return "quickstart" if module in QUICKSTART else module
