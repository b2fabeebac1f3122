"""Encoder presets: the forms of the model that are worth trying, as one table, since no single one wins.

A preset is a set of hyperparameters that `model-HPO-configuration.json` may name in its member `preset`; `auto`
leaves the choice among those that fit to `selection`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from neptuneml_plugin.artifacts import KGE_MODELS, RGCN, Task
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.links import BLOCK_CELLS
from neptuneml_plugin.training.models.items import MAX_ITEMS
from neptuneml_plugin.training.search.space import FIXED, Parameter, SearchSpace

#: Hyperparameters that a search goes on to vary around a preset's value; its others stand.
STILL_SEARCHED = ("num-hidden", "num-epochs", "lr", "dropout", "batch-size")


@dataclass(frozen=True)
class Preset:
    """One form of the model."""

    name: str
    #: When it fits, for people.
    when: str
    fits: Callable[[TrainingData], bool]
    #: The hyperparameters that it sets; those of the file stand for all others.
    values: Mapping[str, Any]
    model: str = RGCN

    def applied(self, space: SearchSpace) -> SearchSpace:
        """Return a search around the preset; its model and its defaults are the preset's."""
        tiers = {tier: list(parameters) for tier, parameters in space.tiers.items()}
        known = {parameter.name: tier for tier, parameters in tiers.items() for parameter in parameters}
        for name, value in self.values.items():
            listed = tiers.get(known.get(name, ""), [])
            at = next((at for at, parameter in enumerate(listed) if parameter.name == name), None)
            if at is not None and name in STILL_SEARCHED:
                listed[at] = replace(listed[at], default=value)
                continue
            if at is not None:
                del listed[at]
            tiers.setdefault(FIXED, []).append(Parameter(name, type(value).__name__, value))
        grouped = {tier: tuple(parameters) for tier, parameters in tiers.items()}
        return replace(space, model=self.model, tiers=grouped)


def _on_featured_nodes(data: TrainingData) -> bool:
    return data.task.on_nodes and bool(data.features[data.samples[0].position])


def _on_joined_nodes(data: TrainingData) -> bool:
    kinds = {relation.target_type for relation in data.relations}
    return data.task.on_nodes and data.samples[0].position in kinds


def _on_nodes_with_featured_edges(data: TrainingData) -> bool:
    return data.task.on_nodes and any(relation.features for relation in data.relations)


def _on_edges(data: TrainingData) -> bool:
    return data.task in {Task.EDGE_CLASS, Task.EDGE_REGRESSION}


def _on_links(data: TrainingData) -> bool:
    return data.task is Task.LINK_PREDICTION


def _with_few_candidates(data: TrainingData) -> bool:
    if not _on_links(data) or len(data.samples) > 1:
        return False
    return min(data.counts[kind] for kind in data.ends_of(data.samples[0].position)) <= MAX_ITEMS


def _with_scores_at_once(data: TrainingData) -> bool:
    if not _on_links(data) or len(data.samples) > 1:
        return False
    source, target = data.ends_of(data.samples[0].position)
    return data.counts[source] * data.counts[target] <= BLOCK_CELLS


_RULES = {"mined-rules": True}
#: In the order of preference where they are as good.
PRESETS = (
    Preset("rgcn", "always: R-GCN as the file says", lambda _: True, {}),
    Preset(
        "features",
        "properties of vertices that have features: their own by themselves too, without learned vectors",
        _on_featured_nodes,
        {
            "number-bins": 16, "own-features": True,
            "concat-node-embed": False, "dropout": 0.5, "l2norm": 0.0005,
        },
    ),
    Preset(
        "places",
        "properties of vertices that have edges: features and places in the graph, without learned vectors",
        _on_joined_nodes,
        {
            "structural-features": 32, "number-bins": 16, "own-features": True,
            "concat-node-embed": False, "dropout": 0.5,
        },
    ),
    Preset(
        "appnp",
        "properties of vertices that have edges: predict from features or learned vectors, then propagate (APPNP)",
        _on_joined_nodes,
        {
            "restart": 0.1, "num-layer": 3, "layer-norm": False, "num-bases": 0, "use-self-loop": False,
            "concat-node-embed": False, "dropout": 0.5, "feature-dropout": 0.3, "l2norm": 0.0005, "lr": 0.03,
        },
    ),
    Preset(
        "edges",
        "properties of vertices where edges have features: these change messages, without learned vectors",
        _on_nodes_with_featured_edges,
        {"use-edge-features": True, "feature-self-loop": True, "concat-node-embed": False},
    ),
    Preset(
        "linear",
        "properties of edges: one linear layer over neighbours and over the labels of other edges",
        _on_edges,
        {
            "num-layer": 1, "layer-norm": False, "dropout": 0.5, "num-epochs": 40,
            "feature-self-loop": True, "symmetric-norm": True, "use-edge-labels": True,
        },
    ),
    Preset(
        "items",
        f"new edges of one type, at most {MAX_ITEMS:,} candidates at an end: R-GCN and EASE",
        _with_few_candidates,
        {"item-item": True},
    ),
    Preset(
        "neighbours",
        f"new edges of one type, at most {BLOCK_CELLS:,} pairs of vertices: from neighbours alone, and EASE",
        _with_scores_at_once,
        {
            "num-layer": 1, "layer-norm": False, "use-self-loop": False, "node-features": False,
            "diagonal-relations": True, "separate-roles": True, "edge-masking": 0.95, "popularity-start": True,
            "item-item": True, "dropout": 0.5, "lr": 0.02, "sparse-lr": 0.02, "num-epochs": 40,
        },
    ),
    Preset("complex", "knowledge graphs: ComplEx as the file says, and rules", _on_links, _RULES, "complex"),
    Preset("distmult", "knowledge graphs: DistMult with the same values", _on_links, _RULES, "distmult"),
)  # fmt: skip

BY_NAME: Mapping[str, Preset] = {preset.name: preset for preset in PRESETS}
AUTO = "auto"
#: What the member may say.
NAMES = (AUTO, *BY_NAME)


def fitting(data: TrainingData, model: str = RGCN) -> list[Preset]:
    """Return the presets to choose among in place of a model: forms of R-GCN, or knowledge-graph embeddings.

    R-GCN alone is none beside R-GCN and EASE, whose weight may turn out to be 0.
    """
    found = [preset for preset in PRESETS if preset.fits(data) and stands_for(preset, model)]
    return [preset for preset in found if preset.name != "rgcn" or BY_NAME["items"] not in found]


def stands_for(preset: Preset, model: str) -> bool:
    """Return whether a preset is one for the kind of model that the file names."""
    return (preset.model in KGE_MODELS) == (model in KGE_MODELS)
