from pathlib import Path

from rich.console import Console

from neptuneml_plugin.display import answers_table, metrics_table, quickstart_page, shown_progress, shown_stages
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
    assert "1,234" in text
    assert "0.123" in text


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
