"""What trivial competitors are given: a node or edge task as arrays."""

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.training.data import Samples
from neptuneml_plugin.training.evaluation.evaluator import Evaluator
from neptuneml_plugin.training.tasks import Answer

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]


class Problem:
    """Training rows and the rows to predict."""

    def __init__(self, evaluator: Evaluator, *splits: str) -> None:
        data = evaluator.data
        self.data, self.answer = data, evaluator.answer
        self.samples: Samples = data.samples[0]
        self.train: Ints = self.samples.splits["train"].cpu().numpy()
        rows = [evaluator.rows(split).cpu().numpy() for split in splits]
        self.wanted: Ints = np.concatenate(rows)
        ends = np.cumsum([len(each) for each in rows]).tolist()
        #: Where the rows of each split stand among the wanted ones.
        self.parts = {
            split: slice(end - len(each), end) for split, each, end in zip(splits, rows, ends, strict=True)
        }
        if self.samples.labels is None:
            raise ValueError("link prediction has no labels")
        self.labels: Floats = self.samples.labels.cpu().numpy()[self.train]

    @property
    def columns(self) -> Floats:
        """Training labels as columns (n, c): one column per class, or the value."""
        if self.answer is Answer.CLASS:
            return np.eye(len(self.data.processed.target.classes))[self.labels.astype(np.int64)]
        return self.labels.reshape(len(self.labels), -1).astype(np.float64)

    @property
    def kinds(self) -> tuple[int, ...]:
        """Node types of the samples' ends."""
        if self.data.task.on_nodes:
            return (self.samples.position,)
        return self.data.ends_of(self.samples.position)

    def features(self, rows: Ints) -> Floats:
        """Return the features of the samples' own ends, (rows, width)."""
        parts = [
            column[end[rows]].cpu().numpy()
            for kind, end in zip(self.kinds, self.samples.ends, strict=True)
            for column in self.data.features[kind].values()
        ]
        return np.concatenate(parts, 1) if parts else np.empty((len(rows), 0))
