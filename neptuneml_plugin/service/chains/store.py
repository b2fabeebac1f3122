"""Chains in the database."""

import json

import cattrs

from neptuneml_plugin.service.chains.record import ChainRecord
from neptuneml_plugin.service.database import Database

_PUT = """
INSERT INTO chains VALUES (:id, (SELECT coalesce(max(number), 0) + 1 FROM chains), :record)
ON CONFLICT (id) DO UPDATE SET record = :record
"""
_REMOVE = "DELETE FROM chains WHERE id = :id"
_LIST = "SELECT record FROM chains ORDER BY number"

_converter = cattrs.Converter()


class ChainStore:
    """The records of chains."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, record: ChainRecord) -> None:
        """Write a record; it is on the disk when this returns.

        Raises:
            NeptuneMLError: it cannot be written; the disk may be full.
        """
        text = json.dumps(_converter.unstructure(record))
        await self._database.execute(_PUT, {"id": record.id, "record": text})

    async def remove(self, chain_id: str) -> None:
        """Remove a record if it is there."""
        await self._database.execute(_REMOVE, {"id": chain_id})

    async def all(self) -> list[ChainRecord]:
        """Return every record, oldest first."""
        rows = await self._database.execute(_LIST)
        return [_converter.structure(json.loads(row["record"]), ChainRecord) for row in rows]
