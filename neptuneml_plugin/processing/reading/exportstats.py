"""Compares what was read with what the export says that it wrote: `stats.json`, which hand-made exports lack."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import EXPORT_STATS, EdgeType, join_labels
from neptuneml_plugin.problems import load_json
from neptuneml_plugin.processing.reading.elements import Elements

_NO_LABEL = "_"


def differences(folder: Path, elements: Elements) -> tuple[str, ...]:
    """Return where the rows are not as many as the export wrote, and what changed while it read the graph.

    Args:
        folder: the export.
        elements: its rows, all of them.
    """
    path = folder / EXPORT_STATS
    if not path.is_file():
        return ()
    try:
        raw = load_json(path)
        return (*_miscounted(_written(raw["stats"]["details"]), elements), *_moved(raw.get("consistency", {})))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        told = f"{type(error).__name__}: {error}"
        return (
            f"{EXPORT_STATS} is not what the export writes ({told}), so rows are not compared with its counts",
        )


def _written(details: Mapping[str, Any]) -> dict[str | EdgeType, int]:
    """Return how many elements of each type were written."""
    found: dict[str | EdgeType, int] = {_label(one["labels"]): int(one["count"]) for one in details["nodes"]}
    for one in details["edges"]:
        ends = one["labels"]
        kind = EdgeType(_label(ends["from"] or _NO_LABEL), ends["edge"], _label(ends["to"] or _NO_LABEL))
        found[kind] = int(one["count"])
    return found


def _label(raw: Any) -> str:
    return join_labels(raw if isinstance(raw, list) else [str(raw)])


def _miscounted(written: Mapping[str | EdgeType, int], elements: Elements) -> Iterator[str]:
    read: dict[str | EdgeType, int] = {table.label: len(table) for table in elements.nodes if table.source}
    read |= {table.source.type: len(table) for table in elements.edges}
    for kind in read.keys() & written.keys():
        if read[kind] != written[kind]:
            name = str(kind)
            yield (
                f"'{name}': {read[kind]} rows were read, but the export wrote {written[kind]} ({EXPORT_STATS}); "
                "was a file cut off or edited? Export again if it should be whole"
            )


def _moved(consistency: Mapping[str, Any]) -> Iterator[str]:
    """Say which labels changed while they were exported."""
    for one in (one for kind in consistency.values() for one in kind):
        before, read, after = int(one["before"]), int(one["read"]), int(one["after"])
        wanted = int(one.get("wanted", before))
        if before != after or read != wanted:
            yield (
                f"'{one['label']}' changed while it was exported: {before} before, {wanted} wanted, {read} read, "
                f"{after} after ({EXPORT_STATS}); export again if the graph should be as it was at one time"
            )
