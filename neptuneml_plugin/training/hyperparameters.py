"""The hyperparameters of the models, by Neptune's names."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from neptuneml_plugin.artifacts import KGE_MODELS, RGCN
from neptuneml_plugin.errors import InvalidParameter, InvalidSettings, nearest

#: Change nothing for R-GCN: those of sampled neighbourhoods on full ones, those of knowledge graphs anywhere, and
#: the last where edges have no features. What changes nothing leaves the search (decision 13).
OF_SAMPLING = ("fanout", "low-mem")
OF_KNOWLEDGE_GRAPHS = ("gamma", "rel-part")
OF_EDGE_FEATURES = ("use-edge-features", "edge-num-hidden")
#: Change nothing where layers propagate (`restart`).
OF_CONVOLUTIONS = (
    "diagonal-relations", "feature-self-loop", "layer-norm", "num-bases", "symmetric-norm", "use-self-loop",
    *OF_EDGE_FEATURES,
)  # fmt: skip
#: All that knowledge-graph models read.
READ_BY_KGE = (
    "batch-size", "dropout", "enable-early-stop", "gamma", "l2norm", "lr", "mined-rules", "neg-share",
    "num-epochs", "num-hidden", "num-negs", "regularization-coef", "rel-part", "sparse-lr",
    "window-for-early-stop",
)  # fmt: skip
OF_TRANSE = ("distance-norm",)
#: Read where there are too many candidates to score all of them.
OF_NEGATIVES = ("num-negs", "neg-share", "gamma")
#: Defaults of knowledge-graph models where they are not the others'; those of distances have no dropout and no
#: regularisation.
_KGE: Mapping[str, Any] = {
    "batch_size": 512, "lr": 0.1, "sparse_lr": 0.1, "num_hidden": 128, "window_for_early_stop": 10
}  # fmt: skip
_PRODUCTS: Mapping[str, Any] = {**_KGE, "dropout": 0.5, "regularization_coef": 0.02}
_DISTANCES: Mapping[str, Any] = {**_KGE, "dropout": 0.0}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "complex": _PRODUCTS, "distmult": _PRODUCTS, "rotate": _DISTANCES, "transe": _DISTANCES
}  # fmt: skip


#: Where a configuration has none (spec/neptune-ml.md 4.4).
DEFAULT_FANOUT = (10, 15, 15)


@dataclass(frozen=True)
class Hyperparameters:
    """What one trial trains with; a field `num_hidden` is the hyperparameter `num-hidden`."""

    #: Targets of one optimiser step, at most; the forward pass runs over the whole graph.
    batch_size: int = 4096
    #: Concatenate the features with a learnable vector per node.
    concat_node_embed: bool = True
    #: Ours. A relation, and the self term, weighs each column instead of multiplying by a matrix; starts at ones.
    diagonal_relations: bool = False
    #: Ours; TransE. A distance sums absolute differences (1), or is the root of the sum of their squares (2).
    distance_norm: int = 1
    dropout: float = 0.3
    #: Width of the hidden layer through which edges' features reach messages.
    edge_num_hidden: int = 16
    #: Ours; link prediction. Each step hides a random share, up to this, of the edges of every vertex at one
    #: end, and learns those, ten steps an epoch; 0: batches of edges are hidden and learned in turn.
    edge_masking: float = 0.0
    enable_early_stop: bool = True
    #: Ours. Share of the features' values that a step leaves out, before anything is made of them.
    feature_dropout: float = 0.0
    #: Ours. The first layer's self term takes a node's features alone, without dropout; what was learned about the
    #: node itself reaches it by its neighbours only, so that its own edges are not learned by heart.
    feature_self_loop: bool = False
    #: Edges drawn per relation, for each hop; without effect on full neighbourhoods.
    fanout: tuple[int, ...] = ()
    #: Weight decay of everything but the learnable vectors.
    l2norm: float = 0.0
    #: Ours; link prediction. Scores gain denoising EASE with a weight fitted on validation, where there are not
    #: more than `items.MAX_ITEMS` candidates.
    item_item: bool = False
    #: Ours; properties of vertices. Embeddings are joined with what the labels around say (`models.votes`).
    label_votes: bool = False
    layer_norm: bool = True
    #: Layers are computed again for the gradient, instead of kept; without effect on full neighbourhoods.
    low_mem: bool = False
    #: Ours; link prediction. Scores gain what rules say of a pair (`models.rules`), with a weight fitted on
    #: validation.
    mined_rules: bool = False
    #: Knowledge graphs, negatives: margin that is added to the scores of distances.
    gamma: float = 12.0
    lr: float = 0.01
    #: Negatives of a batch shared by all its positives; used where there are too many candidates to score all.
    neg_share: bool = True
    #: 0: one matrix per relation; else this many bases, of which relations are combinations.
    num_bases: int = 0
    #: Ours. Each feature of one number has so many columns more, by which of as many quantiles it lies between
    #: (`encoder.NumberBins`).
    number_bins: int = 0
    #: Ours; properties of vertices. Embeddings are joined with what hidden layers make of a vertex's own features.
    own_features: bool = False
    num_epochs: int = 100
    num_hidden: int = 64
    num_layer: int = 2
    #: Negatives per positive, or per batch with `neg-share`.
    num_negs: int = 256
    #: Project each feature on its own before they are put together.
    per_feat_name_embed: bool = False
    #: Link prediction: weight of the mean squared length of the vectors of scored pairs; knowledge graphs: of the
    #: sum of their numbers' absolute values to the third.
    regularization_coef: float = 0.0
    #: Knowledge graphs: a batch holds edges of one relation only.
    rel_part: bool = False
    #: Ours. Weigh messages by 1 / sqrt(d_source d_target) instead of taking their mean.
    symmetric_norm: bool = False
    #: Ours. The first vector of a node holds its features; without, it is the learned one alone.
    node_features: bool = True
    #: Ours; link prediction. The biases of candidates start at log(1 + training edges).
    popularity_start: bool = False
    #: Ours; link prediction. A vertex is found by a learned vector of its own, beside the one that it asks
    #: with, and each direction has its own relation.
    separate_roles: bool = False
    #: Ours. Each node has so many features more: where it stands in the graph (`models.structure`).
    structural_features: int = 0
    #: Learning rate of the learnable vectors and of the biases per node.
    sparse_lr: float = 0.01
    #: Ours; properties of vertices. Layers have no weights: all edges of a vertex send alike, and its first vector
    #: comes back with this share at each of them (`models.propagation`); 0: layers are those of R-GCN.
    restart: float = 0.0
    use_class_weight: bool = False
    #: Messages depend on the features of the edges that carry them.
    use_edge_features: bool = False
    #: Ours; edge classification and regression. The labels of training edges travel in the messages, but never
    #: those of the edges under prediction.
    use_edge_labels: bool = False
    use_self_loop: bool = True
    #: Evaluations averaged for early stopping.
    window_for_early_stop: int = 3

    @property
    def fanouts(self) -> tuple[int, ...]:
        """Edges drawn per relation for each hop of a batch's neighbourhood, its own first (decision 11)."""
        given = self.fanout or DEFAULT_FANOUT
        return tuple(given[min(hop, len(given) - 1)] for hop in range(self.num_layer))

    def to_json(self, model: str = RGCN) -> dict[str, Any]:
        """Return the values that belong to a model, by Neptune's names."""
        values = {field.name.replace("_", "-"): getattr(self, field.name) for field in fields(self)}
        values |= {"fanout": list(self.fanout)}
        return {name: value for name, value in values.items() if reads(model, name, sampled=True)}


_KINDS: Mapping[str, Any] = {field.name.replace("_", "-"): field.type for field in fields(Hyperparameters)}
_AT_LEAST: Mapping[str, float] = {
    "batch-size": 1, "distance-norm": 1, "dropout": 0, "edge-masking": 0, "edge-num-hidden": 1,
    "feature-dropout": 0, "gamma": 0, "l2norm": 0, "lr": 1e-9, "num-bases": 0, "num-epochs": 1, "num-hidden": 1,
    "num-layer": 1, "num-negs": 1, "number-bins": 0, "regularization-coef": 0, "restart": 0, "sparse-lr": 0,
    "structural-features": 0, "window-for-early-stop": 1,
}  # fmt: skip
_BELOW: Mapping[str, float] = {
    "distance-norm": 3, "dropout": 1, "edge-masking": 1, "feature-dropout": 1, "restart": 1
}  # fmt: skip


def reads(model: str, name: str, *, sampled: bool = False) -> bool:
    """Return whether a hyperparameter changes anything for a model; `sampled`: whose neighbourhoods are."""
    if model in KGE_MODELS:
        return name in READ_BY_KGE or (model == "transe" and name in OF_TRANSE)
    return name not in {*OF_KNOWLEDGE_GRAPHS, *OF_TRANSE} and (sampled or name not in OF_SAMPLING)


def check_name(name: str) -> None:
    """Refuse a hyperparameter that does not exist.

    Raises:
        InvalidParameter: unknown; the message has the nearest name.
    """
    if name not in _KINDS:
        raise InvalidParameter(f"unknown hyperparameter '{name}'{nearest(name, _KINDS)}")


def kind_of(name: str) -> str | None:
    """Return `bool`, `int` or `float`; None for one that holds a list."""
    kind = _KINDS.get(name)
    return kind.__name__ if kind in {bool, int, float} else None


def build(values: Mapping[str, Any], model: str = RGCN) -> Hyperparameters:
    """Return a model's hyperparameters from values by Neptune's names; those not given keep their defaults.

    Raises:
        InvalidSettings: values of a wrong type or outside their bounds, all of them named.
        InvalidParameter: an unknown name.
    """
    problems, chosen = [], {}
    for name, value in values.items():
        check_name(name)
        try:
            chosen[name.replace("-", "_")] = _convert(name, value)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise InvalidSettings("hyperparameters", problems)
    return dataclasses.replace(Hyperparameters(), **{**DEFAULTS.get(model, {}), **chosen})


def _convert(name: str, value: Any) -> Any:
    kind = _KINDS[name]
    if name == "fanout":
        fanout = value if isinstance(value, list | tuple) else [value]
        if not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in fanout):
            raise ValueError(f"must be a list of positive integers, not {value!r}")
        return tuple(fanout)
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, not {value!r}")
        return value
    # l2norm is a bool in Neptune's list and a number in its sample; false means none.
    if name == "l2norm" and value is False:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and int(value) != value):
        raise ValueError(f"must be {'an integer' if kind is int else 'a number'}, not {value!r}")
    if value < _AT_LEAST.get(name, value) or value >= _BELOW.get(name, float("inf")):
        raise ValueError(f"{value!r} is out of bounds")
    return kind(value)
