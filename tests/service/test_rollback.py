"""Versions of an endpoint: remembered, brought back, and never mixed in the answers of queries meanwhile."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import Manifest
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.service.endpoints.record import (
    MOST_VERSIONS,
    NO_OPTIONS,
    EndpointOptions,
    EndpointRecord,
    Status,
)
from tests.made_artifacts import Made, make_artifact
from tests.running_service import PATIENCE_SECONDS, eventually_async, running_service
from tests.service.test_lifecycle import Service, service

ROLLBACK = "/ml/endpoints/e/rollback"


def served(record: EndpointRecord, version: str, options: EndpointOptions | None = None) -> EndpointRecord:
    updating = record.become(Status.UPDATING)
    return updating.become(Status.IN_SERVICE, version=version, location=f"/{version}", options=options)


CREATED = EndpointRecord("e", "/v1", Path("/v1"), Status.CREATING, 1).become(Status.IN_SERVICE, version="v1")


def versions(record: EndpointRecord) -> list[str]:
    return [entry.version for entry in record.versions]


def test_each_version_is_remembered_once() -> None:
    restarted = CREATED.become(Status.CREATING).become(Status.IN_SERVICE, version="v1")
    assert versions(restarted) == ["v1"]
    assert versions(served(served(restarted, "v2"), "v1")) == ["v1", "v2", "v1"]
    failed = restarted.become(Status.UPDATING).become(Status.IN_SERVICE, failure_reason="no")
    assert versions(failed) == ["v1"]
    again = served(restarted, "v1", EndpointOptions(fanouts=(3,)))
    assert [entry.options.fanouts for entry in again.versions] == [None, (3,)]
    assert again.earlier().options == NO_OPTIONS


def test_the_oldest_are_forgotten() -> None:
    record = CREATED
    for number in range(2, MOST_VERSIONS + 5):
        record = served(record, f"v{number}")
    assert len(record.versions) == MOST_VERSIONS
    assert record.versions[-1].version == f"v{MOST_VERSIONS + 4}"
    with pytest.raises(InvalidParameter, match="has not answered with version 'v1' before"):
        record.earlier("v1")


def test_the_version_before_and_any_other() -> None:
    record = served(served(CREATED, "v2"), "v3")
    assert record.earlier().version == "v2"
    assert record.earlier("v1").location == "/v1"
    for wrong in ("v3", "v9"):
        with pytest.raises(InvalidParameter, match=rf"version '{wrong}' before the present one.*: v2, v1"):
            record.earlier(wrong)
    with pytest.raises(InvalidParameter, match="an earlier version; there are: none"):
        CREATED.earlier()
    assert served(record, "v2").earlier().version == "v3"


async def settled(running: Service) -> dict[str, Any]:
    await eventually_async(lambda: running.registry.get("e").status in ("InService", "Failed"), 300)
    return (await running.get("/ml/endpoints/e"))[1]


async def test_an_earlier_version_comes_back_with_its_options(tmp_path: Path) -> None:
    made = [make_artifact(tmp_path / name, Made(seed=seed)).version for seed, name in enumerate("abc")]
    async with service(tmp_path) as running:
        await running.put("e", "a", fanouts=[4])
        await running.put("e", "b", update=True, fanouts=[5])
        await running.put("e", "c", update=True)
        answer = await running.client.post(ROLLBACK)
        assert (answer.status, (await answer.json())["status"]) == (200, "Updating")
        status = await settled(running)
        assert (status["status"], status["version"]) == ("InService", made[1])
        assert status["endpoint"]["outputLocation"] == str(tmp_path / "b")
        assert (await running.post(ROLLBACK, {"version": made[0]}))[0] == 200
        status = await settled(running)
        assert [entry["version"] for entry in status["versions"]] == [made[0], made[1], made[2], made[1], made[0]]
        assert status["versions"][0]["fanouts"] == [4]
        assert (await running.get("/endpoints/e"))[1]["inductive"]["fanouts"] == [4]


async def test_what_cannot_be_brought_back_is_refused(tmp_path: Path) -> None:
    old = make_artifact(tmp_path / "a")
    make_artifact(tmp_path / "b", Made(seed=1))
    async with service(tmp_path) as running:
        assert (await running.client.post("/ml/endpoints/none/rollback")).status == 404
        await running.put("e", "a")
        code, told = await running.post(ROLLBACK, {})
        assert (code, told["code"]) == (400, "InvalidParameterException")
        await running.put("e", "b", update=True)
        assert (await running.post(ROLLBACK, {"version": 3}))[0] == 400
        assert (await running.post(ROLLBACK, {"version": "none"}))[0] == 400
        (tmp_path / "a").rename(tmp_path / "elsewhere")
        code, told = await running.post(ROLLBACK, {})
        assert (code, told["code"]) == (400, "BadRequestException")
        new = make_artifact(tmp_path / "a", Made(seed=2))
        assert (await running.post(ROLLBACK, {}))[0] == 200
        status = await settled(running)
        assert status["status"] == "InService"
        assert new.version in status["endpoint"]["failureReason"]
        assert old.version in status["endpoint"]["failureReason"]
        assert (await running.post("/endpoints/e/invocations", {"data": {"nodes": [{"nodeId": "a"}]}}))[0] == 200


MOVIES = [f"m{number}" for number in range(60)]


class Stream:
    """Queries that never pause: each takes the version that is in service, and keeps it over several requests."""

    def __init__(self, running: Service, expected: dict[str, list[Any]]) -> None:
        self._running = running
        self._expected = expected
        self.asked: Counter[str] = Counter()
        self.wrong: list[Any] = []
        self.ended = False

    async def run(self) -> None:
        while not self.ended:
            _, described = await self._running.get("/endpoints/e")
            version = described["version"]
            for begin in range(0, len(MOVIES), 20):
                await self._ask(version, begin)

    async def until_asked(self, version: str, count: int) -> None:
        await eventually_async(lambda: self.asked[version] > count, 300)

    async def _ask(self, version: str, begin: int) -> None:
        nodes = [{"nodeId": movie} for movie in MOVIES[begin : begin + 20]]
        data = {"nodes": nodes, "globalParameters": {"artifactVersion": version}}
        code, answer = await self._running.post("/endpoints/e/invocations", {"data": data})
        expected = (200, version, self._expected[version][begin : begin + 20])
        found = (code, answer.get("artifactVersion"), answer.get("answers"))
        self.asked[version] += 1
        if found != expected:
            self.wrong.append(answer if code != 200 else found)


async def answers(running: Service) -> list[Any]:
    body = {"data": {"nodes": [{"nodeId": movie} for movie in MOVIES]}}
    found: list[Any] = (await running.post("/endpoints/e/invocations", body))[1]["answers"]
    return found


def make(folder: Path, seed: int) -> Manifest:
    return make_artifact(folder, Made(movies=MOVIES, seed=seed))


async def test_no_query_fails_or_mixes_versions_over_an_update_and_its_rollback(tmp_path: Path) -> None:
    old, new = make(tmp_path / "a", 0).version, make(tmp_path / "b", 1).version
    async with service(tmp_path) as running:
        await running.put("e", "a")
        expected = {old: await answers(running)}
        await running.put("e", "b", update=True)
        expected[new] = await answers(running)
        assert expected[old] != expected[new]
        stream = Stream(running, expected)
        tasks = [asyncio.create_task(stream.run()) for _ in range(3)]
        try:
            for version in (old, new, old):  # roll back, forth, and back
                seen = stream.asked[version]
                assert (await running.post(ROLLBACK, {}))[0] == 200
                assert (await settled(running))["version"] == version
                await stream.until_asked(version, seen + 20)
        finally:
            stream.ended = True
            await asyncio.gather(*tasks)
        assert stream.wrong == []
        assert min(stream.asked.values()) > 20


def test_a_restarted_service_remembers_the_versions(tmp_path: Path) -> None:
    root = tmp_path / "root"
    made = [make_artifact(root / name, Made(seed=seed)).version for seed, name in enumerate("ab")]
    with running_service(root) as first:
        first.client.create_endpoint("e", str(root / "a"))
        first.client.update_endpoint("e", str(root / "b"))
        first.process.kill()
        first.process.wait(PATIENCE_SECONDS)
    with running_service(root) as second:
        assert second.client.roll_back_endpoint("e") == made[0]
        assert [entry["version"] for entry in second.client.get_endpoint("e")["versions"]] == [
            made[0],
            made[1],
            made[0],
        ]
