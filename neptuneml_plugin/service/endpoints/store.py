"""Endpoints in SQLite, on a thread of its own: what a restarted service finds."""

import asyncio
import dataclasses
import json
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from neptuneml_plugin.config import NewNodeVectors
from neptuneml_plugin.errors import NeptuneMLError, PreconditionsFailed
from neptuneml_plugin.service.endpoints.record import EndpointOptions, EndpointRecord, Status

SCHEMA_VERSION = 2
_CREATE = """
CREATE TABLE IF NOT EXISTS endpoints (
    id TEXT PRIMARY KEY,
    location TEXT NOT NULL,
    artifact TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at_millis INTEGER NOT NULL,
    version TEXT,
    failure_reason TEXT,
    new_node_vectors TEXT,
    fanouts TEXT
) STRICT
"""
#: Schema version -> what leads from it to the next.
_MIGRATIONS = {
    1: (
        "ALTER TABLE endpoints ADD COLUMN new_node_vectors TEXT",
        "ALTER TABLE endpoints ADD COLUMN fanouts TEXT",
    )
}
_PUT = """
INSERT OR REPLACE INTO endpoints VALUES (
    :id, :location, :artifact, :status, :created_at_millis, :version, :failure_reason, :new_node_vectors, :fanouts
)
"""
_REMOVE = "DELETE FROM endpoints WHERE id = :id"
_LIST = "SELECT * FROM endpoints ORDER BY created_at_millis DESC, rowid DESC"

Result = TypeVar("Result")


class Store:
    """The service's database; every call runs on the store's thread, in the order of the calls."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open or create the database.

        Raises:
            PreconditionsFailed: it cannot be opened, or a later release wrote it.
        """
        await self._run(self._open)

    async def close(self) -> None:
        """Close the database; what was put is on the disk already."""
        await self._run(self._close)
        self._thread.shutdown()

    async def put(self, record: EndpointRecord) -> None:
        """Write a record; it is on the disk when this returns.

        Raises:
            NeptuneMLError: it cannot be written; the disk may be full.
        """
        await self._run(lambda: self._execute(_PUT, _row(record)))

    async def remove(self, endpoint_id: str) -> None:
        """Remove a record if it is there."""
        await self._run(lambda: self._execute(_REMOVE, {"id": endpoint_id}))

    async def all(self) -> list[EndpointRecord]:
        """Return every record, newest first."""
        return [_record(row) for row in await self._run(lambda: self._execute(_LIST, {}))]

    async def _run(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _open(self) -> None:
        try:
            connection = sqlite3.connect(self._path, isolation_level=None)
        except sqlite3.Error as error:
            raise PreconditionsFailed(f"{self._path} cannot be opened: {error}") from None
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise PreconditionsFailed(f"{self._path} was written by a later release; use that one")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_CREATE)
            for earlier in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
                for statement in _MIGRATIONS[earlier]:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            damaged = error.sqlite_errorcode in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
            trouble = "is no database of this service" if damaged else "cannot be written (is the disk full?)"
            raise PreconditionsFailed(f"{self._path} {trouble}: {error}") from None

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _execute(self, statement: str, values: Mapping[str, Any]) -> list[sqlite3.Row]:
        if self._connection is None:
            raise PreconditionsFailed(f"{self._path} is not open")
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise NeptuneMLError(f"{self._path} cannot be read or written: {error}") from None


def _row(record: EndpointRecord) -> dict[str, Any]:
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    options: EndpointOptions = values.pop("options")
    return values | {
        "artifact": str(record.artifact),
        "status": record.status.value,
        "new_node_vectors": options.new_node_vectors,
        "fanouts": None if options.fanouts is None else json.dumps(options.fanouts),
    }


def _record(row: sqlite3.Row) -> EndpointRecord:
    values = dict(row)
    vectors, fanouts = values.pop("new_node_vectors"), values.pop("fanouts")
    options = EndpointOptions(
        None if vectors is None else NewNodeVectors(vectors),
        None if fanouts is None else tuple(json.loads(fanouts)),
    )
    values |= {"artifact": Path(row["artifact"]), "status": Status(row["status"])}
    return EndpointRecord(**values, options=options)
