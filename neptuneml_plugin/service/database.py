"""The service's SQLite database, on a thread of its own: what a restarted service finds."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from neptuneml_plugin.errors import NeptuneMLError, PreconditionsFailed

SCHEMA_VERSION = 7
_ENDPOINTS = """
CREATE TABLE IF NOT EXISTS endpoints (
    id TEXT PRIMARY KEY,
    location TEXT NOT NULL,
    artifact TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at_millis INTEGER NOT NULL,
    version TEXT,
    failure_reason TEXT,
    versions TEXT,
    options TEXT NOT NULL DEFAULT '{}',
    recorded TEXT NOT NULL DEFAULT '{}'
) STRICT
"""
_JOBS = """
CREATE TABLE IF NOT EXISTS jobs (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT
"""
_CHAINS = """
CREATE TABLE IF NOT EXISTS chains (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT
"""
_CREATE = (_ENDPOINTS, _JOBS, _CHAINS)
#: Schema version -> what leads from it to the next; a table that is missing is made in any case.
_MIGRATIONS: Mapping[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE endpoints ADD COLUMN new_node_vectors TEXT",
        "ALTER TABLE endpoints ADD COLUMN fanouts TEXT",
    ),
    2: (),
    3: (),
    4: ("ALTER TABLE endpoints ADD COLUMN versions TEXT",),
    5: (
        "ALTER TABLE endpoints ADD COLUMN options TEXT NOT NULL DEFAULT '{}'",
        """
        UPDATE endpoints SET options =
            json_patch('{}', json_object('new_node_vectors', new_node_vectors, 'fanouts', json(fanouts)))
        """,
        "ALTER TABLE endpoints DROP COLUMN new_node_vectors",
        "ALTER TABLE endpoints DROP COLUMN fanouts",
    ),
    6: ("ALTER TABLE endpoints ADD COLUMN recorded TEXT NOT NULL DEFAULT '{}'",),
}

Result = TypeVar("Result")


class Database:
    """One connection; every call runs on its thread, in the order of the calls."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open or create the database.

        Raises:
            PreconditionsFailed: it cannot be opened, or a later release wrote it.
        """
        await self._run(self._open)

    async def close(self) -> None:
        """Close the database; what was written is on the disk already."""
        await self._run(self._close)
        self._thread.shutdown()

    async def execute(self, statement: str, values: Mapping[str, Any] | None = None) -> list[sqlite3.Row]:
        """Run one statement; what it writes is on the disk when this returns.

        Raises:
            NeptuneMLError: it cannot be read or written; the disk may be full.
        """
        return await self._run(lambda: self._execute(statement, values or {}))

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
            for statement in _CREATE:
                connection.execute(statement)
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
