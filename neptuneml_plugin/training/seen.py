"""The part of a graph that a training sees.

After an inductive split that is the graph without the held-out nodes, after one by time without the edges that are
later than the training rows.

The trained model then answers for the whole graph as it would for one that has grown since: a node that it has not
seen has its own features, and the average of its type's learned vectors.
"""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from neptuneml_plugin.artifacts import GraphSchema
from neptuneml_plugin.training.data import Relation, Samples, TrainingData
from neptuneml_plugin.training.models.model import Model, aligned
from neptuneml_plugin.training.warmstart import Initial


class Seen:
    """What a training sees of a graph, and the way back to the whole of it."""

    def __init__(self, data: TrainingData) -> None:
        self._whole = data
        hidden = (*data.held_out, *data.later)
        self.is_whole = not any(rows is not None and bool(rows.any()) for rows in hidden)
        #: Per node type: the row of each node in what is seen, or -1.
        self.rows: tuple[Tensor, ...] = ()
        self.data = data if self.is_whole else self._part()

    def whole(self, model: Model) -> Model:
        """Return a trained model as one for the whole graph."""
        if self.is_whole:
            return model
        weights = dict(model.state_dict())
        for name, kind in model.node_tables.items():
            weights[name] = aligned(weights[name], self.rows[kind])
        grown = Model(self._whole.processed, model.hyperparameters, model.name).to(model.scale.device)
        grown.load_state_dict(weights)
        return grown

    def start_from(self, model: Model, initial: Initial) -> None:
        """Set the parameters of a model of what is seen to those of the same name and shape."""
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                value, kind = initial.weights.get(name), model.node_tables.get(name)
                if value is not None and kind is not None:
                    value = aligned(value, initial.rows[kind])
                    value = value if self.is_whole else value[(self.rows[kind] >= 0).cpu()]
                if value is not None and value.shape == parameter.shape:
                    parameter.copy_(value)

    def _part(self) -> TrainingData:
        whole, device = self._whole, self._whole.samples[0].ends[0].device
        kept = [
            torch.ones(count, dtype=torch.bool, device=device) if rows is None else ~rows
            for count, rows in zip(whole.counts, whole.held_out, strict=True)
        ]
        self.rows = tuple(_renumbered(each) for each in kept)
        counts = tuple(int(each.sum()) for each in kept)
        return dataclasses.replace(
            whole,
            processed=dataclasses.replace(whole.processed, schema=_recounted(whole.processed.schema, counts)),
            counts=counts,
            features=tuple(
                {name: values[mask] for name, values in columns.items()}
                for mask, columns in zip(kept, whole.features, strict=True)
            ),
            relations=tuple(self._relation(relation) for relation in whole.relations),
            samples=tuple(self._samples(samples) for samples in whole.samples),
            held_out=(),
            later=(),
        )

    def _relation(self, relation: Relation) -> Relation:
        sources = self.rows[relation.source_type][relation.sources]
        targets = self.rows[relation.target_type][relation.targets]
        kept = (sources >= 0) & (targets >= 0) & self._in_time(relation.edge_type, len(sources))
        features = {name: values[kept] for name, values in relation.features.items()}
        return dataclasses.replace(relation, sources=sources[kept], targets=targets[kept], features=features)

    def _samples(self, samples: Samples) -> Samples:
        """Return the samples among seen nodes, in the same order."""
        on_nodes = self._whole.task.on_nodes
        kinds = (samples.position,) if on_nodes else self._whole.ends_of(samples.position)
        ends = [self.rows[kind][end] for kind, end in zip(kinds, samples.ends, strict=True)]
        kept = torch.stack([end >= 0 for end in ends]).all(0)
        if not on_nodes:
            kept &= self._in_time(samples.position, len(kept))
        return Samples(
            samples.position,
            tuple(end[kept] for end in ends),
            None if samples.labels is None else samples.labels[kept],
            _moved(samples.splits, kept),
            None if samples.pairs is None else samples.pairs[kept],
        )

    def _in_time(self, edge_type: int, count: int) -> Tensor:
        """Return which edges of a type are not later than the training rows, (edges,)."""
        later = self._whole.later[edge_type] if self._whole.later else None
        device = self._whole.samples[0].ends[0].device
        return torch.ones(count, dtype=torch.bool, device=device) if later is None else ~later


def _renumbered(kept: Tensor) -> Tensor:
    return torch.where(kept, kept.cumsum(0) - 1, -1)


def _moved(splits: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
    places = _renumbered(kept)
    return {name: places[rows][kept[rows]] for name, rows in splits.items()}


def _recounted(schema: GraphSchema, counts: tuple[int, ...]) -> GraphSchema:
    nodes = tuple(dataclasses.replace(node, count=count) for node, count in zip(schema.nodes, counts, strict=True))
    return dataclasses.replace(schema, nodes=nodes)
