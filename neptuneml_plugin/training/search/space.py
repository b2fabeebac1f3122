"""The space of a search.

Tier rule (Neptune ML): tier 1 is always searched, tier 2 with more than 10 trials, tier 3 with more than 50; the
others keep their defaults. Trial 0 is the defaults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from neptuneml_plugin.artifacts import RGCN
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.stopping import Goal

#: Tier -> it is searched with more trials than this.
TIERS: Mapping[str, int] = {"1-tier-param": 0, "2-tier-param": 10, "3-tier-param": 50}
FIXED = "fixed-param"


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter and where it may be searched."""

    name: str
    kind: str
    default: Any
    low: float | None = None
    high: float | None = None
    strategy: str = "linear"
    step: float | None = None
    options: tuple[Any, ...] = ()

    @property
    def is_searchable(self) -> bool:
        """Whether there is more than the default."""
        return bool(self.options) or self.low is not None


class Searched(Protocol):
    """What a search is about."""

    @property
    def maximizes(self) -> bool:
        """Whether the higher result is the better one."""

    def defaults(self) -> dict[str, Any]:
        """Return the default of every hyperparameter."""

    def searched(self, trials: int) -> tuple[Parameter, ...]:
        """Return the hyperparameters that are searched with so many trials."""


Tiers = Mapping[str, tuple[Parameter, ...]]


def defaults_of(tiers: Tiers) -> dict[str, Any]:
    """Return the default of every hyperparameter."""
    return {parameter.name: parameter.default for tier in tiers.values() for parameter in tier}


def searched_of(tiers: Tiers, trials: int) -> tuple[Parameter, ...]:
    """Return the hyperparameters that are searched with so many trials."""
    opened = [tiers.get(tier, ()) for tier, above in TIERS.items() if trials > above]
    return tuple(parameter for tier in opened for parameter in tier if parameter.is_searchable)


@dataclass(frozen=True)
class SearchSpace:
    """The file as read."""

    model: str
    goal: Goal
    tiers: Tiers = field(default_factory=dict)
    #: Name of a preset, `auto`, or None for the hyperparameters as they stand.
    preset: str | None = None
    #: Whether batches are computed from sampled neighbourhoods.
    sampled: bool = False
    #: Whether there are edges with features.
    featured_edges: bool = True
    #: Whether properties of vertices are learned.
    on_nodes: bool = True

    def defaults(self) -> dict[str, Any]:
        """See `Searched`."""
        return defaults_of(self.tiers)

    def searched(self, trials: int) -> tuple[Parameter, ...]:
        """See `Searched`; those that the model does not read are left out."""
        return tuple(each for each in searched_of(self.tiers, trials) if self._reads(each.name))

    @property
    def maximizes(self) -> bool:
        """See `Searched`."""
        return self.goal.better(1, 0)

    def unused(self) -> tuple[str, ...]:
        """Return the names of those set that change nothing for the model."""
        given = self.defaults().items()
        return tuple(name for name, value in given if value and not self._reads(name))

    @property
    def propagates(self) -> bool:
        """Whether the layers of every trial propagate (`restart`)."""
        restarts = (p for tier in self.tiers.values() for p in tier if p.name == "restart")
        return self.on_nodes and self.model == RGCN and any(p.default and not p.is_searchable for p in restarts)

    def _reads(self, name: str) -> bool:
        if name in hyperparameters.OF_CONVOLUTIONS and self.propagates:
            return False
        if name in hyperparameters.OF_EDGE_FEATURES and not self._reads_edges(name):
            return False
        return hyperparameters.reads(self.model, name, sampled=self.sampled)

    def _reads_edges(self, name: str) -> bool:
        """Return whether a hyperparameter of edge features changes anything: the switch decides for the others."""
        switch = hyperparameters.OF_EDGE_FEATURES[0]
        switches = (p for tier in self.tiers.values() for p in tier if p.name == switch)
        return self.featured_edges and (name == switch or any(p.default or p.is_searchable for p in switches))
