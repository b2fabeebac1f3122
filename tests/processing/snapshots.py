"""Later snapshots of planted exports: elements removed and added, rows in another order."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.processed import ProcessedFolder, open_processed
from neptuneml_plugin.processing import process

ITEMS = "nodes/item.consolidated.csv"
LINKS = "edges/%28item%29-linked-%28item%29.consolidated.csv"
HAS = "edges/%28item%29-has-%28tag%29.consolidated.csv"
CONFIGURATION = "training-data-configuration.json"


def later(export: Path, target: Path, *, gone: Collection[str] = (), new: int = 0, seed: int = 0) -> Path:
    """Copy an export without some items, with new ones like the first ones, and with its rows shuffled."""
    shutil.copytree(export, target)
    items, links, has = (read(target, name) for name in (ITEMS, LINKS, HAS))
    items = items.filter(~pl.col("~id").is_in(list(gone)))
    links = links.filter(~pl.col("~from").is_in(list(gone)) & ~pl.col("~to").is_in(list(gone)))
    has = has.filter(~pl.col("~from").is_in(list(gone)))
    names = {old: f"new-{i}" for i, old in enumerate(items["~id"].head(new))}
    old = list(names)
    renamed = pl.col("~id").replace(names)
    items = pl.concat([items, items.filter(pl.col("~id").is_in(old)).with_columns(renamed)])
    for name in ("~from", "~to"):  # a new item is linked as the old one is
        again = links.filter(pl.col(name).is_in(old)).with_columns(pl.col(name).replace(names))
        links = pl.concat([links, again])
    again = has.filter(pl.col("~from").is_in(old)).with_columns(pl.col("~from").replace(names))
    for name, frame in ((ITEMS, items), (LINKS, links), (HAS, pl.concat([has, again]))):
        write(target, name, frame.sample(fraction=1, shuffle=True, seed=seed))
    return target


def read(export: Path, name: str) -> pl.DataFrame:
    """Return a file as text."""
    return pl.read_csv(export / name, infer_schema=False)


def write(export: Path, name: str, frame: pl.DataFrame) -> None:
    """Replace a file."""
    frame.write_csv(export / name)


def processed(export: Path, target: Path, previous: Path | None = None, **settings: Any) -> ProcessedFolder:
    """Run the stage."""
    process.run(ProcessConfig(dgl_graph=False, previous=previous, **settings), export, target)
    return open_processed(target)


def ids(opened: ProcessedFolder, label: str) -> list[str]:
    """Return the ids of a label in row order."""
    return opened.ids(opened.record.schema.node(label)).texts()


def edges(opened: ProcessedFolder, position: int) -> list[tuple[str, str]]:
    """Return the ends of an edge type, as ids, in row order."""
    kind = opened.record.schema.edges[position].type
    names: Sequence[list[str]] = [ids(opened, label) for label in (kind.source, kind.target)]
    sources, targets = opened.ends(position)
    return [(names[0][a], names[1][b]) for a, b in zip(sources.tolist(), targets.tolist(), strict=True)]
