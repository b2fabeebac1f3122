"""The stage `export`: from a live graph to Neptune's CSV, schema, statistics and training-data configuration."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import EXPORT_SCHEMA, EXPORT_STATS, EdgeType
from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.export.consistency import Reading, consistency
from neptuneml_plugin.export.elements import Element
from neptuneml_plugin.export.files.configuration import write_configuration
from neptuneml_plugin.export.files.spool import Spool
from neptuneml_plugin.export.files.writer import write_files
from neptuneml_plugin.export.readers.bulk_source import open_source
from neptuneml_plugin.export.readers.queried import QueryReader
from neptuneml_plugin.export.readers.selected import Reader
from neptuneml_plugin.export.readers.source import GraphSource
from neptuneml_plugin.export.request.layout import Layout
from neptuneml_plugin.export.request.request import ExportRequest, read_request
from neptuneml_plugin.export.schema import Tables, TypeTable, describe, statistics
from neptuneml_plugin.stage import Progress, Stopwatch, Summary, output_folder, silent, write_json


def run(config: ExportConfig, target: Path, progress: Progress = silent) -> Summary:
    """Export the graph behind `config.gremlin` into the folder `target`.

    Raises:
        InvalidParameter: a label, target or setting that does not fit the graph; `target` is not empty.
        UnsupportedOperation: something this release does not do.
        PreconditionsFailed: no server answers. FailureByQuery, TimeLimitExceeded: it failed on the way.
    """
    request = read_request(config)
    if request.range_size is not None:
        config = replace(config, block_size=request.range_size)
    with open_source(config, request.concurrency or config.concurrency) as source:
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
    export = _describe if request.schema_only else _export
    with output_folder(target, overwrite=overwrite) as folder:
        written = export(source, request, folder, progress)
    if request.completion is not None:
        request.completion.write(target, written.statistics)
    return _summary(request, written, target, watch)


@dataclass(frozen=True)
class _Written:
    """What has been written."""

    tables: list[TypeTable]
    statistics: Mapping[str, Any]
    warnings: list[str]


def _describe(source: GraphSource, request: ExportRequest, folder: Path, progress: Progress) -> _Written:
    """Write the schema alone."""
    seen = Tables()
    Reader(source, request, seen, progress).read()
    write_json(folder / EXPORT_SCHEMA, describe(seen.all))
    return _Written(seen.all, statistics(seen.all), [])


def _export(source: GraphSource, request: ExportRequest, folder: Path, progress: Progress) -> _Written:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".rows-") as temporary:
        spool = Spool(Path(temporary))
        reader = (
            QueryReader(source, request, spool, progress, Path(temporary))
            if request.queries
            else Reader(source, request, spool, progress)
        )
        readings = reader.read()
        progress(f"writing {request.layout.format} files")
        for element in Element:
            (folder / element).mkdir()
        write_files(spool, folder, request.layout)
    tables = spool.tables
    changed = [text for reading in readings for text in reading.changes()]
    warnings = [*changed, *reader.warnings(), *_absent_properties(request, tables), *_absent_ends(tables)]
    warnings += _write_configurations(folder, request, tables)
    written = _Written(tables, statistics(tables), warnings)
    write_json(folder / EXPORT_SCHEMA, describe(tables))
    write_json(folder / EXPORT_STATS, _stats(request, written, readings, reader.report()))
    return written


def _stats(
    request: ExportRequest, written: _Written, readings: list[Reading], part: dict[str, Any]
) -> dict[str, Any]:
    return {
        "stats": written.statistics,
        "warnings": written.warnings,
        "withoutEffect": dict(request.recorded),
        "consistency": consistency(readings),
        **({"part": part} if part else {}),
    }


def _write_configurations(folder: Path, request: ExportRequest, tables: list[TypeTable]) -> list[str]:
    """Write a configuration for each job; return their warnings."""
    warnings: list[str] = []
    for job in request.jobs:
        configuration = write_configuration(tables, job, request.layout)
        configuration["warnings"] += _unread(request.layout)
        warnings += [text for text in configuration["warnings"] if text not in warnings]
        write_json(folder / f"{job.name}.json", configuration)
    return warnings


def _unread(layout: Layout) -> list[str]:
    if layout.format.is_read:
        return []
    return [f"files of the format '{layout.format}' cannot be processed; export csv or parquet for that"]


def _absent_properties(request: ExportRequest, tables: list[TypeTable]) -> Iterator[str]:
    for selection in (request.selections.nodes, request.selections.edges):
        for entry in selection.entries if selection else ():
            matching = [table for table in tables if entry.matches(table.type)]
            for name in entry.properties or ():
                if not any(name in table.columns for table in matching):
                    yield f"no exported element of '{entry.label}' has the selected property '{name}'"


def _absent_ends(tables: list[TypeTable]) -> Iterator[str]:
    labels = {table.type for table in tables}
    for table in tables:
        if isinstance(table.type, EdgeType):
            for end in dict.fromkeys((table.type.source, table.type.target)):
                if end not in labels:
                    yield f"{table.name}: vertices of label '{end}' are not part of the export"


def _summary(request: ExportRequest, written: _Written, target: Path, watch: Stopwatch) -> Summary:
    counts: Counter[str] = Counter({element.value: 0 for element in Element})
    for table in written.tables:
        counts[table.element.value] += table.count
    targets: list[Any] = [target for job in request.jobs for target in job.targets]
    return Summary(
        stage="export",
        output=str(target),
        seconds=watch.seconds,
        peak_memory_mib=watch.peak_memory_mib,
        task=targets[0].task.value if targets else None,
        warnings=tuple(written.warnings),
        counts=dict(counts),
    )
