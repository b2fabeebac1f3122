"""How members' outputs become an ensemble's: the weighted mean, then what its definition says."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import Target
from neptuneml_plugin.ensembles.agreement import kept_classes, positions
from neptuneml_plugin.ensembles.definition import Definition

Floats = npt.NDArray[np.float64]


def shares(weights: Sequence[float]) -> list[float]:
    """Return weights that sum to 1."""
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def mean(outputs: Iterable[npt.NDArray[np.floating]], weights: Sequence[float]) -> Floats:
    """Return the weighted mean, summed in the members' order; what is no number for one of them is none."""
    total: Floats | float = 0.0
    for output, share in zip(outputs, shares(weights), strict=True):
        total = total + share * output.astype(np.float64)
    return np.asarray(total, dtype=np.float64)


@dataclass(frozen=True)
class Finish:
    """What becomes of the mean."""

    definition: Definition
    #: Of the members.
    target: Target

    @property
    def width(self) -> int:
        """Number of classes that are answered; 1 for a regression."""
        return len(kept_classes(self.definition, self.target)) if self.target.classes else 1

    def classes(self, probabilities: Floats) -> Floats:
        """Return the probabilities of the classes that stay, (rows, classes); not a number: no answer."""
        target, definition = self.target, self.definition
        kept = probabilities[:, positions(kept_classes(definition, target), target)]
        with np.errstate(all="ignore"):
            if target.multi_label:
                kept = tempered(kept, definition.temperature)
            elif definition.drop or definition.temperature != 1:
                kept = kept ** (1 / definition.temperature)
                kept = kept / kept.sum(axis=1, keepdims=True)
            return np.where(kept >= (definition.threshold or 0.0), kept, np.nan)

    def values(self, values: Floats) -> Floats:
        """Return a regression's answers."""
        clip = self.definition.clip
        return values if clip is None else values.clip(clip.least, clip.most)

    def link(self, score: float) -> float:
        """Return the score of a link; -1: no answer."""
        finished = float(tempered(np.array(score), self.definition.temperature))
        return finished if finished >= (self.definition.threshold or 0.0) else -1.0

    def outputs(self, outputs: Floats) -> Floats:
        """Return a classification's or a regression's answers."""
        return self.classes(outputs) if self.target.classes else self.values(outputs)


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """Return probabilities, each for itself, whose odds are those given, to the power 1 / temperature."""
    if temperature == 1:
        return probabilities
    with np.errstate(all="ignore"):
        yes, no = probabilities ** (1 / temperature), (1 - probabilities) ** (1 / temperature)
        return np.asarray(yes / (yes + no), dtype=np.float64)
