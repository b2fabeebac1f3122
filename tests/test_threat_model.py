"""Every promise of THREAT_MODEL.md names a test that there is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_SECTION = (ROOT / "THREAT_MODEL.md").read_text().partition("## Promises")[2].partition("\n## ")[0]
PROMISES = [line.split("|")[1:3] for line in _SECTION.splitlines() if line.startswith("|")][2:]


@pytest.mark.parametrize(("promise", "tests"), PROMISES, ids=[promise[:40].strip() for promise, _ in PROMISES])
def test_a_promise_is_tested(promise: str, tests: str) -> None:
    named = re.findall(r"`([^`]+)`", tests)
    assert named, promise
    for name in named:
        file, _, function = name.partition("::")
        text = (ROOT / file).read_text()
        assert not function or re.search(rf"^(async )?def {function}\(", text, re.MULTILINE), name
