from pathlib import Path

import pytest
from rich.console import Console

from neptuneml_plugin.display import (
    MOST_ROWS,
    answers_page,
    answers_table,
    job_page,
    job_steps,
    metrics_table,
    print_page,
    quickstart_page,
    shown_jobs,
    shown_progress,
    shown_stages,
)
from neptuneml_plugin.questions import Answer
from neptuneml_plugin.quickstart import CASES, CaseResult, QuickstartResult
from neptuneml_plugin.stage import Summary

TRAINING = Summary(
    stage="train",
    output="/x",
    seconds=1.0,
    peak_memory_mib=2.0,
    metrics={"valid": {"acc": 0.1}, "test": {"acc": 0.84, "f1_macro": 0.5}},
    baselines={"majority": {"acc": 0.17}, "neighbours": {"acc": 0.8, "f1_macro": 0.45}},
    baselines_split="test",
)


def drawn(*things: object) -> str:
    console = Console(width=100, record=True, file=open("/dev/null", "w", encoding="utf-8"), highlight=False)  # noqa: PTH123, SIM115
    with console.file:
        console.print(*things, sep="\n")
    return console.export_text()


def test_each_metric_stands_beside_its_competitors_on_the_same_split() -> None:
    lines = [line.split() for line in drawn(metrics_table(TRAINING)).splitlines() if line.strip()]
    assert lines[0] == ["on", "test", "acc", "f1_macro"]
    assert ["this", "model", "0.840", "0.500"] in lines
    assert ["majority", "0.170", "-"] in lines
    assert ["neighbours", "0.800", "0.450"] in lines
    assert "0.100" not in drawn(metrics_table(TRAINING))


def test_answers_are_rows_and_brackets_are_text() -> None:
    text = drawn(answers_table(("airport", "miles"), [("AUS[red]", 1234.4), ("LHR", 0.12345)]))
    assert "AUS[red]" in text
    assert " 1234 " in text
    assert "0.123" in text


PART = {"part": "training", "id": "t", "status": "InProgress", "progress": {"stage": "trial 1", "fraction": 0.25}}
CHAIN = {
    "id": "c",
    "status": "InProgress",
    "progress": {"stage": "training", "fraction": 0.6},
    "creationTimeInMillis": 1_700_000_000_000,
    "parts": [
        {"part": "export", "id": "x", "status": "Completed", "progress": {"stage": "done", "fraction": 1.0}},
        PART,
        {"part": "endpoint", "id": "e", "status": "Waiting"},
    ],
}
JOB = {
    **PART,
    "status": "Failed",
    "progress": {"stage": "trial 1", "fraction": 0.25, "etaSeconds": 30.0},
    "creationTimeInMillis": 1_700_000_000_000,
    "processingJob": {"outputLocation": "s3://lib/t"},
    "counts": {"vertices": 12345},
    "warnings": ["few [rows]"],
    "failureReason": "no memory",
    "metrics": {"valid": {"acc": 0.5}, "test": {"acc": 0.25}},
    "baselines": {"majority": {"acc": 0.125}},
    "logTail": ["one", "two"],
}


def test_a_chain_has_a_step_for_each_part_that_has_begun() -> None:
    assert list(job_steps(CHAIN)) == [("export", "Completed", 1.0), ("training", "trial 1", 0.25)]
    assert list(job_steps(JOB)) == [("training", "Failed", 0.25)]
    served = {"id": "c", "status": "InProgress", "parts": [{"part": "endpoint", "id": "e", "status": "InService"}]}
    assert list(job_steps(served)) == [("endpoint", "InService", 1.0)]


def test_the_page_of_a_job_holds_what_its_status_says() -> None:
    text = drawn(*job_page("modeltraining", JOB))
    for words in ("modeltraining t: Failed", "trial 1, 25%, 30 s left", "s3://lib/t", "12,345", "few [rows]"):
        assert words in text
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert ["failure", "no", "memory"] in lines
    assert ["test", "0.250"] in lines
    assert ["majority", "0.125"] in lines
    assert "one" in text.split("last lines:")[1]


def test_the_page_of_a_chain_holds_its_parts() -> None:
    lines = [line.split() for line in drawn(*job_page("chain", CHAIN)).splitlines() if line.strip()]
    assert ["training", "t", "InProgress", "trial", "1,", "25%"] in lines
    assert ["endpoint", "e", "Waiting"] in lines
    location = f"/root/{'x' * 300}/output"
    written = {**CHAIN, "parts": [{**PART, "outputLocation": location}]}
    assert location in "".join(drawn(*job_page("chain", written)).split())
    queued = drawn(*job_page("modeltraining", {**JOB, "status": "InProgress", "queued": True}))
    assert "InProgress (queued)" in queued


def test_jobs_are_shown_as_lines_or_as_bars(tmp_path: Path) -> None:
    with (tmp_path / "lines").open("w") as file, shown_jobs(Console(file=file)) as told:
        for _ in range(2):
            told(CHAIN)
    lines = (tmp_path / "lines").read_text().splitlines()
    assert [line.split("] ")[1] for line in lines] == ["export: Completed", "training: trial 1"]
    with (tmp_path / "bars").open("w") as file, shown_jobs(Console(file=file, force_terminal=True)) as told:
        told(CHAIN)
        told({**CHAIN, "parts": [{**PART, "status": "Completed"}]})
    assert "training: Completed" in (tmp_path / "bars").read_text()


def test_what_was_learned_is_shown_with_its_first_answers() -> None:
    answer = Answer("g.V()", ("answer",), tuple((f"a{number}",) for number in range(MOST_ROWS + 5)))
    text = drawn(*answers_page(answer, {"parts": [JOB]}))
    assert "a19" in text
    assert "a20" not in text
    assert "and 5 more" in text
    assert "majority" in text


def test_a_long_query_is_printed_on_one_line_and_numbers_as_they_are_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    query = f"g.V({', '.join(map(str, range(100)))}).project('truth','predicted')"
    answer = Answer(query, ("truth", "predicted"), ((2130, 2330.4), (576, 0.25)))
    print_page(answers_page(answer, {"parts": []}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == query
    assert ["2130", "2330"] in [line.split() for line in lines]
    assert ["576", "0.250"] in [line.split() for line in lines]


def result(tmp_path: Path) -> QuickstartResult:
    answers = (Answer("g.V()", ("airport",), (("AUS",),)),)
    cases = tuple(CaseResult(case, TRAINING, answers) for case in CASES)
    return QuickstartResult("ws://127.0.0.1:8182/gremlin", "http://127.0.0.1:8183", tmp_path, cases, 100.0, 1800.0)


def test_the_page_says_what_was_asked_and_what_to_type_next(tmp_path: Path) -> None:
    ended, kept = (drawn(*quickstart_page(result(tmp_path), keep=keep)) for keep in (False, True))
    for text in (ended, kept):
        assert text.count("g.V()") == 3
        assert "1,800 MiB" in text
    assert "quickstart --keep" in ended
    assert "python examples/quickstart.py ws://127.0.0.1:8182/gremlin" in kept
    assert "GREMLIN_PORT=8182 neptuneml gremlin-console -e examples/quickstart.groovy" in kept


def test_progress_writes_a_line_per_message(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+", encoding="utf-8") as file:
        with shown_progress(Console(file=file)) as progress:
            for fraction in (0.1, 0.2, 0.3):
                progress("reading", fraction)
            progress("writing [x]")
        file.seek(0)
        lines = file.read().splitlines()
    assert [line.split("] ", 1)[1] for line in lines] == ["reading", "writing [x]"]


def test_stages_are_ticked_off_once_they_end(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+", encoding="utf-8") as file:
        with shown_stages(Console(file=file)) as progress:
            progress("export")
            progress("export", 0.5)
            progress("process")
            file.seek(0)
            assert "process" not in file.read()
        file.seek(0)
        lines = file.read().splitlines()
    assert [line.split()[3] for line in lines] == ["export", "process"]
    assert all(line.startswith("✓") for line in lines)
