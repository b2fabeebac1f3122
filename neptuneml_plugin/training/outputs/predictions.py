"""`predictions.parquet`: what a model says of every element, for use without an endpoint.

The columns, best answers first within an element:

* node tasks: `id`, `value`, `score`, `rank`;
* edge tasks: `id` and `target`, the vertices that an edge of the graph joins, then the same;
* link prediction: `id`, `edge` (the type, such as `(user)-rated-(movie)`), `value` (a vertex that no such edge
  leads to yet), `score`, `rank`.

`score` is null for numbers. Frames are made and written one after the other, whatever their number.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from polars.io.plugins import register_io_source
from torch import Tensor

from neptuneml_plugin.arrays import BLOCK_CELLS, Array
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.table import rank_classes
from neptuneml_plugin.training.links import EdgeIndex, Scorer

#: Answers per element, at most.
ANSWERS = 10
#: Pairs of vertices beyond which link prediction writes no table: some minutes of two cores.
MOST_PAIRS = 2 * 10**10

Classes = Sequence[str | int | float | bool]
Ints = npt.NDArray[np.int64]
_TAIL: Mapping[str, pl.DataType] = {"score": pl.Float32(), "rank": pl.Int16()}
LINKS = pl.Schema({"id": pl.String(), "edge": pl.String(), "value": pl.String(), **_TAIL})
_KINDS: Mapping[type, pl.DataType] = {str: pl.String(), bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64()}


class TextColumn:
    """The ids of a node type as a column, to take rows from."""

    def __init__(self, ids: IdColumn) -> None:
        self._texts = pl.Series(ids.texts(), dtype=pl.String)

    def __len__(self) -> int:
        return len(self._texts)

    def take(self, rows: Ints) -> pl.Series:
        """Return the ids of some rows."""
        return self._texts.gather(rows)


def write_predictions(path: Path, frames: Iterable[pl.DataFrame], schema: pl.Schema) -> None:
    """Write frames of one schema as one file.

    Raises:
        OSError: the file could not be written whole.
    """

    def source(*_: object) -> Iterator[pl.DataFrame]:
        yield from frames

    try:
        register_io_source(source, schema=schema).sink_parquet(path)
    except pl.exceptions.ComputeError as error:
        raise OSError(f"{path} could not be written: {error}") from None


def schema_of(classes: Classes, *named: str) -> pl.Schema:
    """Return the columns of node and edge tasks; no classes mean numbers."""
    value = _class_kind(classes) if classes else pl.Float64()
    return pl.Schema({**{name: pl.String() for name in named}, "value": value, **_TAIL})


def answers(
    blocks: Iterable[Array], classes: Classes, elements: Mapping[str, tuple[TextColumn, Ints | None]]
) -> Iterator[pl.DataFrame]:
    """Yield the answers of node and edge tasks.

    Args:
        blocks: predictions, (rows, classes) or (rows, 1).
        classes: their values; none of a regression.
        elements: column -> ids, and the row of each element among them; None: the rows as they are.
    """
    schema, start = schema_of(classes, *elements), 0
    values = pl.Series([_as_kind(value, _class_kind(classes)) for value in classes], dtype=_class_kind(classes))
    for block in blocks:
        rows = np.arange(start, start + len(block))
        start += len(block)
        best, scores = rank_classes(block, ANSWERS) if classes else (np.zeros((len(block), 1), np.int64), None)
        told = np.repeat(rows, best.shape[1])
        ids = {name: texts.take(told if at is None else at[told]) for name, (texts, at) in elements.items()}
        frame = ids | {
            "value": values.gather(best.ravel()) if classes else block[:, 0],
            "score": None if scores is None else scores.ravel(),
            "rank": _ranks(*best.shape),
        }
        table = pl.DataFrame(frame, schema=schema)
        yield table if scores is None else table.filter(pl.col("score") >= 0)


@dataclass(frozen=True)
class Links:
    """One target edge type of link prediction."""

    #: The type's name.
    edge: str
    #: Rows of sources -> scores of all targets.
    score: Scorer
    #: The edges there are, by source.
    known: EdgeIndex
    #: Ids of the sources and of the targets.
    sources: TextColumn
    targets: TextColumn
    #: Whether a vertex may be its own target.
    loops: bool

    def frames(self, calibration: tuple[float, float]) -> Iterator[pl.DataFrame]:
        """Yield the best new targets of every source; `calibration` is a trial's."""
        count = len(self.targets)
        for rows in torch.split(torch.arange(len(self.sources)), max(1, BLOCK_CELLS // max(1, count))):
            best, found = self._best(rows, min(ANSWERS, count))
            frame = {
                "id": self.sources.take(rows.repeat_interleave(found.shape[1]).numpy()),
                "edge": self.edge,
                "value": self.targets.take(found.ravel().numpy()),
                "score": torch.sigmoid(calibration[0] * best.double() + calibration[1]).ravel().numpy(),
                "rank": _ranks(*found.shape),
            }
            yield pl.DataFrame(frame, schema=LINKS).filter(pl.Series(best.ravel().isfinite().numpy()))

    # Around no `yield`: Polars goes on with a generator on another thread, where torch would keep gradients again.
    @torch.no_grad()
    def _best(self, rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return scores and rows of the best new targets: (sources, count) each."""
        scores = self.score(rows).cpu()
        scores[self.known.of(rows)] = -torch.inf
        if not self.loops:
            scores[torch.arange(len(rows)), rows] = -torch.inf
        best, found = scores.topk(count)
        return best, found


def _ranks(rows: int, answers: int) -> npt.NDArray[np.int16]:
    return np.tile(np.arange(1, answers + 1, dtype=np.int16), rows)


def _class_kind(classes: Classes) -> pl.DataType:
    kinds = {type(value) for value in classes}
    return _KINDS[kinds.pop()] if len(kinds) == 1 else pl.String()


def _as_kind(value: object, kind: pl.DataType) -> object:
    return str(value) if kind == pl.String() else value
