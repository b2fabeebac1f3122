"""Where several workers run the tests, what shares servers stays on one."""

import subprocess
import sys
from pathlib import Path

from tests.readme import ROOT
from tests.workers import OF_JOBS, QUICK, QUICKSTART, turn

TWO_TESTS = "import os\n\ndef test_a(): print(os.getpid())\n\ndef test_b(): print(os.getpid())\n"


def modules_with(mark: str) -> set[str]:
    found = [path for path in (ROOT / "tests").rglob("test_*.py") if mark in path.read_text(encoding="utf-8")]
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_all_modules_of_the_quickstart_are_named() -> None:
    assert set(QUICKSTART) == modules_with("mark" + ".quickstart") | modules_with("quickstart" + "_stack")


def test_what_takes_long_goes_first_and_what_is_quick_last() -> None:
    assert all((ROOT / folder).is_dir() for folder in (*OF_JOBS, *QUICK))
    modules = (
        "test_readme",
        "contract/test_real_answers",
        "training/test_hpo",
        "chaos/test_chaos",
        "export/test_walk",
    )
    assert [turn(f"tests/{module}.py::a") for module in modules] == [0, 0, 1, 2, 3]


def test_modules_stay_whole_and_the_quickstarts_together(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_xdist_make_scheduler\n")
    names = [*QUICKSTART, *(f"tests/test_{letter}.py" for letter in "abcd")]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(TWO_TESTS)
    options = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-v", f"--rootdir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--import-mode=importlib", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    workers: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("[gw") and "PASSED" in line:
            workers.setdefault(line.split()[-1].partition("::")[0], set()).add(line[:5])
    assert set(workers) == set(names)
    assert all(len(found) == 1 for found in workers.values())
    assert len(set().union(*(workers[name] for name in QUICKSTART))) == 1
