import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from neptuneml_plugin.config import NewNodeVectors
from neptuneml_plugin.errors import NeptuneMLError, PreconditionsFailed
from neptuneml_plugin.service.database import Database
from neptuneml_plugin.service.endpoints.record import EndpointOptions, EndpointRecord, Status
from neptuneml_plugin.service.endpoints.store import EndpointStore
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord, JobState, Plan
from neptuneml_plugin.service.jobs.store import JobStore

FIRST = EndpointRecord("a", "/x", Path("/x"), Status.CREATING, 1)
SECOND = EndpointRecord(
    "b",
    "s3://é/y",
    Path("/y"),
    Status.IN_SERVICE,
    2,
    version="v",
    failure_reason="why; 'not'",
    options=EndpointOptions(NewNodeVectors.NEIGHBOURS, (10, 5), instances=2, max_delay_us=0),
    recorded={"instanceType": "ml.r5.large"},
)


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    database = Database(path)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def test_what_was_put_is_found_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "db") as database:
        store = EndpointStore(database)
        await store.put(FIRST)
        await store.put(SECOND)
        await store.put(replace(FIRST, status=Status.FAILED))
    async with opened(tmp_path / "db") as database:
        again = EndpointStore(database)
        assert await again.all() == [SECOND, replace(FIRST, status=Status.FAILED)]
        await again.remove("b")
        await again.remove("unknown")
        assert [record.id for record in await again.all()] == ["a"]


JOB = JobRecord(
    JobKind.MODEL_TRAINING,
    "t",
    "t-training-1",
    3,
    {"dataProcessingJobId": "p", "customModelTrainingParameters": {"a": "b"}, "maxHPONumberOfTrainingJobs": 2},
    Plan("train", ("--input", "/x"), {"trials": 2, "previous": None}, "/o", "s3://o", 60.0),
    {"dataProcessingJobId": "p"},
)


async def test_jobs_are_found_again_in_the_order_of_their_submission(tmp_path: Path) -> None:
    second = replace(JOB, kind=JobKind.DATA_PROCESSING, state=JobState.STOPPING, attempts=1, clean=True)
    async with opened(tmp_path / "db") as database:
        store = JobStore(database)
        await store.put(JOB)
        await store.put(second)
        failed = replace(JOB, state=JobState.FAILED, failure_reason="why; 'not'", ended_at_millis=9)
        await store.put(failed)
    async with opened(tmp_path / "db") as database:
        store = JobStore(database)
        assert await store.all() == [failed, second]
        await store.remove(JobKind.MODEL_TRAINING, "t")
        assert await store.all() == [second]


#: What release 0.1.0 made.
FIRST_SCHEMA = """
CREATE TABLE endpoints (id TEXT PRIMARY KEY, location TEXT NOT NULL, artifact TEXT NOT NULL, status TEXT NOT NULL,
                        created_at_millis INTEGER NOT NULL, version TEXT, failure_reason TEXT) STRICT;
INSERT INTO endpoints VALUES ('a', '/x', '/x', 'Creating', 1, NULL, NULL);
PRAGMA user_version = 1;
"""


async def test_an_earlier_releases_database_is_taken_over(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "db")
    connection.executescript(FIRST_SCHEMA)
    connection.close()
    for found in ([FIRST], [SECOND, FIRST]):
        async with opened(tmp_path / "db") as database:
            store = EndpointStore(database)
            assert await store.all() == found
            await store.put(SECOND)
            assert await store.all() == [SECOND, FIRST]
            assert await JobStore(database).all() == []


#: What the third schema held.
THIRD_SCHEMA = """
CREATE TABLE endpoints (id TEXT PRIMARY KEY, location TEXT NOT NULL, artifact TEXT NOT NULL, status TEXT NOT NULL,
                        created_at_millis INTEGER NOT NULL, version TEXT, failure_reason TEXT,
                        new_node_vectors TEXT, fanouts TEXT) STRICT;
INSERT INTO endpoints VALUES ('a', '/x', '/x', 'Creating', 1, NULL, NULL, NULL, NULL);
INSERT INTO endpoints VALUES ('b', '/y', '/y', 'InService', 2, 'v', 'why', 'neighbours', '[10, 5]');
INSERT INTO endpoints VALUES ('c', '/z', '/z', 'Failed', 3, NULL, NULL, 'type', NULL);
PRAGMA user_version = 3;
"""


async def test_options_that_had_columns_are_taken_over(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "db")
    connection.executescript(THIRD_SCHEMA)
    connection.close()
    for _ in range(2):
        async with opened(tmp_path / "db") as database:
            options = {record.id: record.options for record in await EndpointStore(database).all()}
        assert options == {
            "a": EndpointOptions(),
            "b": EndpointOptions(NewNodeVectors.NEIGHBOURS, (10, 5)),
            "c": EndpointOptions(NewNodeVectors.TYPE),
        }


async def test_it_writes_ahead_and_waits_for_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path / "db") as database:
        modes = [(await database.execute(f"PRAGMA {name}"))[0][0] for name in ("journal_mode", "synchronous")]
        assert modes == ["wal", 2]
        assert await database._run(threading.get_ident) != threading.get_ident()


async def test_what_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("no database at all, but long enough to be looked at" * 30)
    with pytest.raises(PreconditionsFailed, match="db is no database of this service"):
        await Database(tmp_path / "db").open()


async def test_a_later_releases_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(PreconditionsFailed, match="written by a later release"):
        await Database(tmp_path / "db").open()


async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path / "db") as database:
        await database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(NeptuneMLError, match=r"cannot be read or written: .*full"):
            await EndpointStore(database).put(replace(FIRST, location="x" * 100_000))
