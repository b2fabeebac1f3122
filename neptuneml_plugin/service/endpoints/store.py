"""Endpoints in the database."""

import dataclasses
import json
import sqlite3
from pathlib import Path
from typing import Any

import cattrs

from neptuneml_plugin.config import structure
from neptuneml_plugin.service.database import Database
from neptuneml_plugin.service.endpoints.record import (
    EndpointOptions,
    EndpointRecord,
    EndpointVersion,
    Status,
)

_PUT = """
INSERT OR REPLACE INTO endpoints (
    id, location, artifact, status, created_at_millis, version, failure_reason, options, versions,
    recorded
) VALUES (
    :id, :location, :artifact, :status, :created_at_millis, :version, :failure_reason, :options, :versions,
    :recorded
)
"""
_REMOVE = "DELETE FROM endpoints WHERE id = :id"
_LIST = "SELECT * FROM endpoints ORDER BY created_at_millis DESC, rowid DESC"

_converter = cattrs.Converter()


class EndpointStore:
    """The records of endpoints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, record: EndpointRecord) -> None:
        """Write a record; it is on the disk when this returns.

        Raises:
            NeptuneMLError: it cannot be written; the disk may be full.
        """
        await self._database.execute(_PUT, _row(record))

    async def remove(self, endpoint_id: str) -> None:
        """Remove a record if it is there."""
        await self._database.execute(_REMOVE, {"id": endpoint_id})

    async def all(self) -> list[EndpointRecord]:
        """Return every record, newest first."""
        return [_record(row) for row in await self._database.execute(_LIST)]


def _row(record: EndpointRecord) -> dict[str, Any]:
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return values | {
        "artifact": str(record.artifact),
        "status": record.status.value,
        "options": json.dumps(record.options.said()),
        "recorded": json.dumps(record.recorded),
        "versions": json.dumps(_converter.unstructure(record.versions)),
    }


def _record(row: sqlite3.Row) -> EndpointRecord:
    values = {
        "artifact": Path(row["artifact"]),
        "status": Status(row["status"]),
        "options": structure(EndpointOptions, json.loads(row["options"]), f"options of endpoint '{row['id']}'"),
        "recorded": json.loads(row["recorded"]),
        "versions": _converter.structure(json.loads(row["versions"] or "[]"), tuple[EndpointVersion, ...]),
    }
    return EndpointRecord(**dict(row) | values)
