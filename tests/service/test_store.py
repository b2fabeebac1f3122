import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from neptuneml_plugin.config import NewNodeVectors
from neptuneml_plugin.errors import NeptuneMLError, PreconditionsFailed
from neptuneml_plugin.service.endpoints.record import EndpointOptions, EndpointRecord, Status
from neptuneml_plugin.service.endpoints.store import Store

FIRST = EndpointRecord("a", "/x", Path("/x"), Status.CREATING, 1)
SECOND = EndpointRecord(
    "b",
    "s3://é/y",
    Path("/y"),
    Status.IN_SERVICE,
    2,
    version="v",
    failure_reason="why; 'not'",
    options=EndpointOptions(NewNodeVectors.NEIGHBOURS, (10, 5)),
)


async def test_what_was_put_is_found_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    await store.open()
    await store.put(FIRST)
    await store.put(SECOND)
    await store.put(replace(FIRST, status=Status.FAILED))
    await store.close()
    again = Store(tmp_path / "db")
    await again.open()
    assert await again.all() == [SECOND, replace(FIRST, status=Status.FAILED)]
    await again.remove("b")
    await again.remove("unknown")
    assert [record.id for record in await again.all()] == ["a"]
    await again.close()


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
        store = Store(tmp_path / "db")
        await store.open()
        assert await store.all() == found
        await store.put(SECOND)
        assert await store.all() == [SECOND, FIRST]
        await store.close()


async def test_it_writes_ahead_and_waits_for_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    await store.open()
    modes = await store._run(
        lambda: [store._execute(f"PRAGMA {name}", {})[0][0] for name in ("journal_mode", "synchronous")]
    )
    assert modes == ["wal", 2]
    assert await store._run(threading.get_ident) != threading.get_ident()
    await store.close()


async def test_what_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("no database at all, but long enough to be looked at" * 30)
    store = Store(tmp_path / "db")
    with pytest.raises(PreconditionsFailed, match="db is no database of this service"):
        await store.open()
    await store.close()


async def test_a_later_releases_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    store = Store(tmp_path / "db")
    with pytest.raises(PreconditionsFailed, match="written by a later release"):
        await store.open()
    await store.close()


async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    await store.open()
    await store._run(lambda: store._execute("PRAGMA max_page_count = 1", {}))
    with pytest.raises(NeptuneMLError, match=r"cannot be read or written: .*full"):
        await store.put(replace(FIRST, location="x" * 100_000))
    await store.close()
