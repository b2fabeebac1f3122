"""When to evaluate, what is better, and when to stop."""

import math
from dataclasses import dataclass, field, replace

from neptuneml_plugin.training.evaluation.metrics import HIGHER_IS_BETTER

#: Count answers that are decided. Of two classes the rarer one is seldom the likelier, so that models that order
#: rows well and models that learned nothing look alike, early and, where no row is clear, to the end.
DECIDED = frozenset({"acc", "balanced_accuracy", "f1", "f1_macro", "f1_micro", "mcc", "precision", "recall"})


@dataclass(frozen=True)
class Goal:
    """What chooses the best epoch."""

    metric: str
    topk: int = 5
    #: Evaluate after so many batches; at least one evaluation per epoch's end where None.
    every_batches: int | None = None
    every_epochs: int = 1
    #: Evaluate after this part of an epoch.
    every_part: float | None = None

    @property
    def worst(self) -> float:
        """The value that every other is better than."""
        return -math.inf if HIGHER_IS_BETTER[self.metric] else math.inf

    def better(self, a: float, b: float | None) -> bool:
        """Return whether `a` is better than `b`, or there is no `b`."""
        if b is None:
            return True
        return a > b if HIGHER_IS_BETTER[self.metric] else a < b

    def order(self, *, binary: bool) -> "Goal":
        """Return what tells models apart that the goal does not: of two classes the area under the ROC curve."""
        return replace(self, metric="roc_auc") if binary and self.metric in DECIDED else self

    def batches_between(self, batches_per_epoch: int) -> int:
        """Return the number of batches between two evaluations."""
        if self.every_batches is not None:
            return self.every_batches
        if self.every_part is not None:
            return max(1, round(self.every_part * batches_per_epoch))
        return self.every_epochs * batches_per_epoch


@dataclass
class EarlyStopping:
    """Stop the first time the mean of the newest `window` evaluations is worse than that of the `window` before.

    Neptune compares the newest evaluation alone with the mean of a window, which ends at the first noisy one;
    `window` 1 compares neighbours.
    """

    goal: Goal
    window: int
    history: list[float] = field(default_factory=list)

    def says_stop(self, value: float) -> bool:
        """Take the newest evaluation and return whether to stop."""
        self.history.append(value)
        if len(self.history) < 2 * self.window:
            return False
        newest, before = self.history[-self.window :], self.history[-2 * self.window : -self.window]
        return self.goal.better(sum(before) / self.window, sum(newest) / self.window)
