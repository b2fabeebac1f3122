"""Whole load tests with real worker processes: short, and without a word on speed."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.errors import FailureByQuery, InvalidData
from neptuneml_plugin.loadtest.choosing import Configuration, Wanted
from neptuneml_plugin.loadtest.clients import Address
from neptuneml_plugin.loadtest.items import Sampling, sampled_bodies
from neptuneml_plugin.loadtest.load import Load
from neptuneml_plugin.loadtest.page import (
    COLUMNS,
    DOCUMENT,
    NOTHING_FITS,
    PAGE,
    RECOMMENDED,
    cells,
    page,
    planned,
    remarks,
    write_result,
)
from neptuneml_plugin.loadtest.run import Result, Settings, Subject, run
from neptuneml_plugin.loadtest.workers import running_workers
from neptuneml_plugin.report import Notes
from neptuneml_plugin.stage import Progress, silent
from tests.made_artifacts import Made, make_artifact
from tests.test_report import Document

QUICK = Settings(Load(4, duration_seconds=0.5, max_errors=0), Wanted(rps=100.0), confirm_seconds=0.5)


def workers() -> list[psutil.Process]:
    return [
        child for child in psutil.Process().children() if "neptuneml_plugin.serving.endpoint" in child.cmdline()
    ]


def measured(
    artifact: Path, *configurations: Configuration, settings: Settings = QUICK, progress: Progress = silent
) -> Result:
    bodies = sampled_bodies(artifact, Sampling(bodies=5))
    subject = Subject("links", artifact=artifact, configurations=configurations)
    return asyncio.run(run(subject, bodies, settings, progress))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    artifact = tmp_path_factory.mktemp("artifact")
    make_artifact(artifact, Made(Task.LINK_PREDICTION))
    yield measured(artifact, Configuration(max_batch=1), Configuration(instances=2, max_batch=64))
    assert not workers()


def test_every_configuration_is_measured_and_one_confirmed(result: Result) -> None:
    assert [row.measurement.instances for row in result.rows] == [1, 2]
    for row in result.rows:
        assert row.measurement.stopped is None
        assert row.step.answers > 0
        assert row.step.failed == 0
        assert row.needed is not None
    assert result.chosen in result.rows
    assert result.confirmation is not None
    assert result.confirmation.measured.answers > 0


def test_turns_go_forward_and_back(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    settings = Settings(Load(2, duration_seconds=0.2), Wanted(), turns=3, confirm_seconds=0.2)
    told: list[str] = []
    found = measured(
        tmp_path,
        Configuration(max_batch=1),
        Configuration(max_batch=2),
        settings=settings,
        progress=lambda message, _=None: told.append(message),
    )
    batches = [1, 2, 2, 1, 1, 2]
    turns = [1, 1, 2, 2, 3, 3]
    assert told[:6] == [
        f"instances 1, batch {batch}: 2 users, turn {turn} of 3"
        for batch, turn in zip(batches, turns, strict=True)
    ]
    assert found.confirmation is not None
    for step in (*(row.step for row in found.rows), found.confirmation.measured):
        assert len(step.rates) == 3
        assert step.spread is not None
    assert cells(found.rows[0], None)[COLUMNS.index("± %")] == 100 * (found.rows[0].step.spread or 0)


def test_what_is_planned_is_told_before() -> None:
    grid = Subject("a", artifact=Path(), configurations=(Configuration(), Configuration(2)))
    said = planned(grid, Settings(Load(8, spawn_rate=1.0, duration_seconds=10.0), Wanted()))
    assert said == (
        "2 configurations: 2 turns of 17 s, then the recommended one again, 10 s a turn; 118 s at most, and the "
        "time workers take to start."
    )
    served = Subject("e", (Address("http://127.0.0.1:1"),))
    once = Settings(Load(8, duration_seconds=1.0), Wanted(), turns=1)
    assert planned(served, once) == "As served: 1 turn of 1 s; 2 s at most."


def test_turns_that_differ_much_are_remarked(result: Result) -> None:
    assert result.chosen is not None
    for rates, is_remarked in (((80.0, 120.0), True), ((90.0, 110.0), False)):
        step = replace(result.chosen.step, answers=100, seconds=1.0, rates=rates)
        chosen = replace(result.chosen, step=step)
        said = remarks(replace(result, chosen=chosen, confirmation=None))
        assert any("Its turns differ by ±20%" in line for line in said) is is_remarked


def test_what_is_written_can_be_read_again(result: Result, tmp_path: Path) -> None:
    write_result(tmp_path, result)
    found = json.loads((tmp_path / DOCUMENT).read_text())
    assert [row["configuration"]["max_batch"] for row in found["rows"]] == [1, 64]
    assert [row["recommended"] for row in found["rows"]].count(True) == 1
    assert found["wanted"] == {"rps": 100.0, "p99_ms": None}
    assert found["confirmation"]["rate"] > 0
    html = Document((tmp_path / PAGE).read_text())
    texts = [text.strip() for text in html.texts]
    for text in (*COLUMNS[:-1], RECOMMENDED, "instances 2, batch 64", "p99, ms"):
        assert text in texts
    assert html.open == []


def test_the_table_marks_one_and_the_remarks_say_what_became_of_it(result: Result) -> None:
    marks = [cells(row, result.chosen)[-1] for row in result.rows]
    assert sorted(map(str, marks)) == ["", RECOMMENDED]
    assert remarks(result)[-1].startswith("The recommended one again: ")


def test_limits_that_nothing_keeps_recommend_nothing(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    settings = Settings(Load(2, 20.0, 0.3, max_p99_ms=1e-6), Wanted(p99_ms=1e-6))
    told: list[str] = []
    found = measured(
        tmp_path, Configuration(), settings=settings, progress=lambda message, _=None: told.append(message)
    )
    assert len(told) == 1  # what a limit has stopped has no second turn
    assert (found.chosen, found.confirmation) == (None, None)
    assert cells(found.rows[0], None)[-1] == "p99 too high"
    assert page(found).sections[0].parts[-1] == Notes((*remarks(found), NOTHING_FITS))
    assert page(found).facts[-1] == ("recommended", None)


def test_a_rate_that_nobody_has_seen_is_told_to_be_inferred(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    found = measured(
        tmp_path,
        Configuration(),
        settings=Settings(Load(1, duration_seconds=0.3), Wanted(1e7), confirm_seconds=0.0),
    )
    assert found.chosen is not None
    said = next(each for each in remarks(found) if "1e+07" in each)  # a busy machine is remarked upon as well
    assert said.startswith("No configuration was seen to give 1e+07 requests a second: ")
    assert f"{found.chosen.needed} instances do if each gives" in said


def test_users_that_come_one_after_the_other_are_drawn(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    found = measured(
        tmp_path, Configuration(), settings=Settings(Load(3, 1.0, 0.3), Wanted(), confirm_seconds=0.0)
    )
    assert [step.users for step in found.rows[0].measurement.steps] == [2, 3, 3]
    assert [section.title for section in page(found).sections][-1] == "As users came"
    assert found.confirmation is None


def test_an_endpoint_is_asked_where_it_is(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    bodies = sampled_bodies(tmp_path, Sampling(bodies=5))

    async def both() -> Result:
        async with running_workers(tmp_path, Configuration(instances=2)) as addresses:
            return await run(Subject("e", tuple(addresses), 2), bodies, QUICK, silent)

    found = asyncio.run(both())
    assert found.chosen is not None
    assert (found.chosen.measurement.name, found.chosen.measurement.instances) == ("as served", 2)
    assert found.confirmation is None
    assert cells(found.chosen, found.chosen)[-1] == ""


def test_what_workers_count_tells_how_many_items_they_answer_together(result: Result) -> None:
    mean_batch = result.rows[0].measurement.mean_batch
    assert mean_batch == pytest.approx(
        1.0, abs=0.3
    )  # one by one; those who leave at the end may leave an empty batch
    assert cells(result.rows[0], None)[COLUMNS.index("mean batch")] == mean_batch


def test_answers_of_a_cache_are_measured_too(tmp_path: Path) -> None:
    make_artifact(tmp_path, Made(Task.LINK_PREDICTION))
    settings = Settings(Load(2, duration_seconds=0.3), Wanted(), confirm_seconds=0.0)
    (row,) = measured(tmp_path, Configuration(cache_mib=16), settings=settings).rows
    assert row.step.answers > 0
    assert row.measurement.mean_batch is None  # five bodies, all of them kept after the warm-up


def test_an_artifact_that_cannot_be_served(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    (tmp_path / "nodes/1/predictions.npy").write_bytes(b"")
    with pytest.raises(InvalidData, match=r"predictions\.npy has 0 bytes"):
        measured(tmp_path, Configuration(instances=2))
    assert not workers()


def test_a_body_that_the_endpoint_refuses_is_told_before_the_load(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    subject = Subject("e", artifact=tmp_path, configurations=(Configuration(),))
    with pytest.raises(FailureByQuery, match="'nodez'"):
        asyncio.run(run(subject, [b'{"data": {"nodez": []}}'], QUICK, silent))
    assert not workers()


def test_nobody_sees_a_token() -> None:
    assert "secret" not in repr(Address("http://127.0.0.1:1", "secret"))
