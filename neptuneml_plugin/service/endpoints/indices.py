"""The approximate indices that workers keep (docs/serving.md): which of them are still wanted."""

import shutil
from collections.abc import Iterable
from typing import Any

from neptuneml_plugin.config import Index, ServiceConfig
from neptuneml_plugin.service.endpoints.record import EndpointRecord

#: Below the data root: what the workers of a version share, each version in a folder.
INDICES = "indices"


def remove_indices(records: Iterable[EndpointRecord], config: ServiceConfig) -> None:
    """Remove the indices of versions that no endpoint answers from with an index, or may go back to."""
    used = {version for record in records for version in _versions(record)}
    for folder in (config.data_root / INDICES).glob("*"):
        if folder.name not in used:
            shutil.rmtree(folder, ignore_errors=True)


def _versions(record: EndpointRecord) -> set[Any]:
    versions = {entry.version for entry in record.versions if entry.options.index is Index.FAISS}
    return versions | ({record.version} if record.options.index is Index.FAISS else set())
