"""The stage `export`: from a live graph to Neptune's CSV, schema, statistics and training-data configuration."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import EXPORT_SCHEMA, EXPORT_STATS, EdgeType
from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.export.configuration import check_labels, write_configuration
from neptuneml_plugin.export.gremlin_source import GremlinSource
from neptuneml_plugin.export.request import ExportRequest, read_request
from neptuneml_plugin.export.schema import TypeTable, check_ids, describe, statistics
from neptuneml_plugin.export.selection import Selection, keep
from neptuneml_plugin.export.source import Element, GraphSource, Row
from neptuneml_plugin.export.writer import Spool
from neptuneml_plugin.stage import Progress, Stopwatch, Summary, output_folder, silent, write_json

_FLUSH_ROWS = 5_000


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
        vanished = _read(source, request, spool, progress)
        progress("writing CSV files")
        for element in Element:
            (folder / element).mkdir()
        spool.write(folder)
        tables = spool.tables
        warnings = [*_vanished(vanished), *_absent_properties(request, tables), *_absent_ends(tables)]
        warnings += _write_documents(folder, request, tables, warnings)
    return _summary(request, tables, warnings, target, watch)


def _read(source: GraphSource, request: ExportRequest, spool: Spool, progress: Progress) -> Counter[str]:
    """Read all rows into the spool; return how many elements vanished meanwhile, by label."""
    vanished: Counter[str] = Counter()
    selections = {Element.NODE: request.selections.nodes, Element.EDGE: request.selections.edges}
    # Names that do not exist are found before the first row is read, which may be hours before the last one.
    labels = {
        element: selection.labels(source.labels(element), element.value.removesuffix("s")) if selection else []
        for element, selection in selections.items()
    }
    check_labels(request.jobs, labels)
    for element, selection in selections.items():
        for label in labels[element]:
            ids = source.ids(element, label)
            check_ids(label, ids)
            seen = 0
            for row in source.rows(element, ids, selection.keys(label) if selection else ()):
                seen += 1
                _spool_row(spool, row, selection)
                if seen % _FLUSH_ROWS == 0:
                    spool.flush()
                    progress(f"{element} of '{label}': {seen:,} of {len(ids):,}", seen / len(ids))
            spool.flush()
            progress(f"{element} of '{label}': {seen:,} of {len(ids):,}", 1.0)
            vanished[label] += len(ids) - seen
    return vanished


def _spool_row(spool: Spool, row: Row, selection: Selection | None) -> None:
    selected = selection.entry(row.type) if selection else None
    if selected is not None:
        spool.add(row._replace(properties=keep(row.properties, selected)) if selected.properties else row)


def _write_documents(
    folder: Path, request: ExportRequest, tables: list[TypeTable], warnings: list[str]
) -> list[str]:
    """Write schema, statistics and configurations; return the configurations' own warnings."""
    own: list[str] = []
    for job in request.jobs:
        configuration = write_configuration(tables, job)
        own += [text for text in configuration["warnings"] if text not in own]
        write_json(folder / f"{job.name}.json", configuration)
    write_json(folder / EXPORT_SCHEMA, describe(tables))
    stats = {"stats": statistics(tables), "warnings": [*warnings, *own], "withoutEffect": dict(request.recorded)}
    write_json(folder / EXPORT_STATS, stats)
    return own


def _vanished(vanished: Mapping[str, int]) -> Iterator[str]:
    for label, count in vanished.items():
        if count:
            yield f"{count} elements of '{label}' vanished during the export"


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
