import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.stage import (
    FOLDER_VARIABLE,
    Stopwatch,
    Summary,
    output_folder,
    resumable_folder,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_output_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with output_folder(target) as folder:
        (folder / "a.txt").write_text("a")
        assert not target.exists()
    assert (target / "a.txt").read_text() == "a"
    assert names(target.parent) == ["out"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with output_folder(tmp_path / "out") as folder:
            (folder / "a.txt").write_text("a")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert names(tmp_path) == []


def test_existing_output_is_kept_unless_told(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(InvalidParameter, match=r"not empty.*--overwrite"), output_folder(target):
        pass
    with output_folder(target, overwrite=True) as folder:
        (folder / "new").write_text("new")
    assert names(target) == ["new"]


def test_an_overwrite_that_fails_keeps_the_old(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(ZeroDivisionError), output_folder(target, overwrite=True):
        _ = 1 / 0
    assert names(target) == ["old"]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("file")
    with pytest.raises(InvalidParameter, match="is a file"), output_folder(tmp_path / "out"):
        pass


@pytest.mark.parametrize("below", ["a", "a/b", "a/b/c"])
def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(InvalidParameter, match=r"cannot be made: \S*/file is a file"),
        output_folder(tmp_path / "file" / below),
    ):
        pass


def test_a_failed_write_names_its_place(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as error, output_folder(tmp_path / "out"):
        Path("/dev/full").write_text("x")
    assert error.value.filename == str(tmp_path / "out")
    assert names(tmp_path) == []


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_json(path, {"old": True})
    limit_then_write = (
        "import resource, sys, pathlib; from neptuneml_plugin.stage import write_text;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}));"
        "write_text(pathlib.Path(sys.argv[1]), 'x' * 100_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", limit_then_write, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert json.loads(path.read_text()) == {"old": True}
    assert names(tmp_path) == ["record.json"]


def test_write_text_replaces(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "one")
    write_text(tmp_path / "a", "two")
    assert (tmp_path / "a").read_text() == "two"


def test_summary_names_only_what_is_set() -> None:
    summary = Summary(stage="export", output="/x", seconds=1.0, peak_memory_mib=2.0, counts={"vertices": 3})
    assert summary.to_json() == {
        "stage": "export",
        "output": "/x",
        "seconds": 1.0,
        "peak_memory_mib": 2.0,
        "warnings": (),
        "notes": (),
        "counts": {"vertices": 3},
    }


def test_the_stopwatch_measures() -> None:
    watch = Stopwatch()
    assert watch.seconds >= 0
    assert watch.peak_memory_mib > 5


@pytest.mark.parametrize(
    ("environment", "note", "refusal"),
    [
        ({}, "the same command goes on from what", "to go on, or --overwrite to begin anew"),
        (
            {FOLDER_VARIABLE: "/jobs/t"},
            "`DELETE …?purge=true&clean=true`",
            "other settings (seed); start another job",
        ),
    ],
)
def test_unfinished_work_tells_a_command_line_and_a_job_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], note: str, refusal: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def interrupted(seed: int) -> None:
        with resumable_folder(tmp_path / "out", {"seed": seed}, lambda _: True):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted(0)
    (told,) = caught.value.__notes__
    assert note in told
    assert ("--overwrite" in told) is (not environment)
    with pytest.raises(InvalidParameter, match=re.escape(refusal)):
        interrupted(1)
