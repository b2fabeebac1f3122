"""The stage `export`: from a live graph to Neptune's CSV, schema, statistics and training-data configuration."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import EXPORT_SCHEMA, EXPORT_STATS, EdgeType
from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.export.configuration import check_labels, write_configuration
from neptuneml_plugin.export.consistency import Reading, consistency
from neptuneml_plugin.export.elements import Element
from neptuneml_plugin.export.gremlin_source import GremlinSource
from neptuneml_plugin.export.request import ExportRequest, read_request
from neptuneml_plugin.export.schema import TypeTable, describe, statistics
from neptuneml_plugin.export.selection import Selection
from neptuneml_plugin.export.source import GraphSource
from neptuneml_plugin.export.spool import Spool
from neptuneml_plugin.export.writer import write_csv
from neptuneml_plugin.stage import Progress, Stopwatch, Summary, output_folder, silent, write_json


def run(config: ExportConfig, target: Path, progress: Progress = silent) -> Summary:
    """Export the graph behind `config.gremlin` into the folder `target`.

    Raises:
        InvalidParameter: a label, target or setting that does not fit the graph; `target` is not empty.
        UnsupportedOperation: something this release does not do.
        PreconditionsFailed: no server answers. FailureByQuery, TimeLimitExceeded: it failed on the way.
    """
    request = read_request(config)
    with GremlinSource(config) as source:
        return export_graph(source, request, target, overwrite=config.overwrite, progress=progress)


def export_graph(
    source: GraphSource,
    request: ExportRequest,
    target: Path,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Summary:
    """Export any graph source; see `run`."""
    watch = Stopwatch()
    with (
        output_folder(target, overwrite=overwrite) as folder,
        tempfile.TemporaryDirectory(dir=folder, prefix=".rows-") as temporary,
    ):
        spool = Spool(Path(temporary))
        readings = _read(source, request, spool, progress)
        progress("writing CSV files")
        for element in Element:
            (folder / element).mkdir()
        write_csv(spool, folder)
        tables = spool.tables
        changed = [text for reading in readings for text in reading.changes()]
        warnings = [*changed, *_absent_properties(request, tables), *_absent_ends(tables)]
        warnings += _write_documents(folder, request, tables, readings, warnings)
    return _summary(request, tables, warnings, target, watch)


def _read(source: GraphSource, request: ExportRequest, spool: Spool, progress: Progress) -> list[Reading]:
    """Read all rows into the spool."""
    selections = {Element.NODE: request.selections.nodes, Element.EDGE: request.selections.edges}
    # Names that do not exist are found before the first row is read, which may be hours before the last one.
    labels = {
        element: selection.labels(source.labels(element), element.value.removesuffix("s")) if selection else []
        for element, selection in selections.items()
    }
    check_labels(request.jobs, labels)
    return [
        _read_label(source, element, label, selection, spool, progress)
        for element, selection in selections.items()
        if selection
        for label in labels[element]
    ]


def _read_label(
    source: GraphSource, element: Element, label: str, selection: Selection, spool: Spool, progress: Progress
) -> Reading:
    before = source.count(element, label)
    read = 0
    for block in source.blocks(element, label, selection.keys(label)):
        read += len(block.ids)
        selected = selection.entry(block.type)
        if selected is not None:
            spool.add(block.only(selected.properties))
        progress(f"{element} of '{label}': {read:,} of {before:,}", min(1.0, read / max(before, 1)))
    return Reading(element, label, before, read, source.count(element, label))


def _write_documents(
    folder: Path, request: ExportRequest, tables: list[TypeTable], readings: list[Reading], warnings: list[str]
) -> list[str]:
    """Write schema, statistics and configurations; return the configurations' own warnings."""
    own: list[str] = []
    for job in request.jobs:
        configuration = write_configuration(tables, job)
        own += [text for text in configuration["warnings"] if text not in own]
        write_json(folder / f"{job.name}.json", configuration)
    write_json(folder / EXPORT_SCHEMA, describe(tables))
    stats = {
        "stats": statistics(tables),
        "warnings": [*warnings, *own],
        "withoutEffect": dict(request.recorded),
        "consistency": consistency(readings),
    }
    write_json(folder / EXPORT_STATS, stats)
    return own


def _absent_properties(request: ExportRequest, tables: list[TypeTable]) -> Iterator[str]:
    for selection in (request.selections.nodes, request.selections.edges):
        for entry in selection.entries if selection else ():
            matching = [table for table in tables if entry.matches(table.type)]
            for name in entry.properties:
                if not any(name in table.columns for table in matching):
                    yield f"no exported element of '{entry.label}' has the selected property '{name}'"


def _absent_ends(tables: list[TypeTable]) -> Iterator[str]:
    labels = {table.type for table in tables}
    for table in tables:
        if isinstance(table.type, EdgeType):
            for end in dict.fromkeys((table.type.source, table.type.target)):
                if end not in labels:
                    yield f"{table.name}: vertices of label '{end}' are not part of the export"


def _summary(
    request: ExportRequest, tables: list[TypeTable], warnings: list[str], target: Path, watch: Stopwatch
) -> Summary:
    counts: Counter[str] = Counter({element.value: 0 for element in Element})
    for table in tables:
        counts[table.element.value] += table.count
    targets: list[Any] = [target for job in request.jobs for target in job.targets]
    return Summary(
        stage="export",
        output=str(target),
        seconds=watch.seconds,
        peak_memory_mib=watch.peak_memory_mib,
        task=targets[0].task.value if targets else None,
        warnings=tuple(warnings),
        counts=dict(counts),
    )
