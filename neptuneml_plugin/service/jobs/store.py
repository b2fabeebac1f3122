"""Jobs in the database."""

import json

import cattrs

from neptuneml_plugin.service.database import Database
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord

_PUT = """
INSERT INTO jobs VALUES (:kind, :id, (SELECT coalesce(max(number), 0) + 1 FROM jobs), :record)
ON CONFLICT (kind, id) DO UPDATE SET record = :record
"""
_REMOVE = "DELETE FROM jobs WHERE kind = :kind AND id = :id"
_LIST = "SELECT record FROM jobs ORDER BY number"

_converter = cattrs.Converter()


class JobStore:
    """The records of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, record: JobRecord) -> None:
        """Write a record; it is on the disk when this returns.

        Raises:
            NeptuneMLError: it cannot be written; the disk may be full.
        """
        text = json.dumps(_converter.unstructure(record))
        await self._database.execute(_PUT, {"kind": record.kind, "id": record.id, "record": text})

    async def remove(self, kind: JobKind, job_id: str) -> None:
        """Remove a record if it is there."""
        await self._database.execute(_REMOVE, {"kind": kind, "id": job_id})

    async def all(self) -> list[JobRecord]:
        """Return every record, oldest first."""
        rows = await self._database.execute(_LIST)
        return [_converter.structure(json.loads(row["record"]), JobRecord) for row in rows]
