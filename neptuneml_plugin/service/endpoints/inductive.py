"""What a caller gathers around an element, for answers from the graph as it is now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from neptuneml_plugin.artifacts import KGE_MODELS, RGCN, EdgeSchema, EdgeType, FeatureSchema, Manifest
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.endpoints.record import EndpointOptions

#: Models that can be asked inductively; an ensemble says itself whether it can.
MODELS = frozenset({RGCN, *KGE_MODELS})


@dataclass(frozen=True)
class Inductive:
    """A neighbourhood's extent, and the properties that the model reads."""

    #: Edges drawn per edge type and direction, for each hop.
    fanouts: tuple[int, ...]
    #: Every vertex label with the keys of its properties.
    nodes: tuple[tuple[str, tuple[str, ...]], ...]
    #: Every edge type with the keys of its properties.
    edges: tuple[tuple[EdgeType, tuple[str, ...]], ...]
    max_new_candidates: int


def inductive(manifest: Manifest, options: EndpointOptions, config: ServiceConfig) -> Inductive | None:
    """Return what to gather; None where the model cannot be asked so."""
    if not (manifest.model in MODELS or manifest.hyperparameters.get("inductive")):
        return None
    hyperparameters = manifest.hyperparameters
    given = options.fanouts or hyperparameters.get("fanout") or [config.inductive_fanout]
    hops = 1 if manifest.model in KGE_MODELS else int(hyperparameters.get("num-layer", len(given)))
    return Inductive(
        fanouts=per_hop(given, hops),
        nodes=tuple((node.label, _columns(node.features)) for node in manifest.schema.nodes),
        edges=tuple((edge.type, _said(edge, manifest)) for edge in manifest.schema.edges if not edge.built),
        max_new_candidates=config.max_new_candidates,
    )


def per_hop(fanouts: Sequence[int], hops: int) -> tuple[int, ...]:
    """Return one fan-out per hop: the first entries, or the last one repeated (decision 11)."""
    return (*fanouts[:hops], *[fanouts[-1]] * (hops - len(fanouts)))


def _said(edge: EdgeSchema, manifest: Manifest) -> tuple[str, ...]:
    """Return the properties of an edge that its messages carry: its label, and what features are encoded from."""
    target, reads = manifest.target, manifest.hyperparameters.get
    label = (target.property_name,) if target.property_name and edge.type in target.edges else ()
    features = _columns(edge.features) if reads("use-edge-features") else ()
    return tuple(dict.fromkeys((*(label if reads("use-edge-labels") else ()), *features)))


def _columns(features: Iterable[FeatureSchema]) -> tuple[str, ...]:
    """Return the distinct properties that features are encoded from, in their order."""
    return tuple(dict.fromkeys(feature.column for feature in features if feature.column))
