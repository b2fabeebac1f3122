"""Embeddings of a graph that differs little from one embedded before: only what a change reaches is computed.

Every node has two fingerprints: of what it enters the first layer with, and of the messages that layers send it
(who sends, by which relation, with which weight). They stand in the artifact, so that a later transform finds what
has changed, whatever was added, removed or written anew. A layer carries a change one hop on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from neptuneml_plugin.arrays import save_array
from neptuneml_plugin.artifacts import MANIFEST, WEIGHTS, Manifest, node_folder, read_record
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.training.data import TrainingData
from neptuneml_plugin.training.message_passing import EdgeMessages, MessageGraph, in_order
from neptuneml_plugin.training.models.encoder import Hop, Vectors
from neptuneml_plugin.training.models.model import Model

#: Part of all messages beyond which everything is computed: to draw together what is needed costs as much again.
WORTHWHILE = 0.4
FINGERPRINTS = "fingerprints.npy"
Hashes = npt.NDArray[np.uint64]
Marks = list[Tensor]


def fingerprints(model: Model, graph: MessageGraph, data: TrainingData, ids: Sequence[IdColumn]) -> list[Hashes]:
    """Return two fingerprints per node, of its inputs and of its messages: uint64 (n, 2) per node type."""
    found = [np.zeros((count, 2), np.uint64) for count in data.counts]
    tables = _tables(model)
    for kind, columns in enumerate(data.features):
        for position, values in enumerate([*columns.values(), *tables.get(kind, [])]):
            _add_columns(found[kind][:, 0], values, position)
    names = [_hash_by_row(column) for column in ids]
    for at, relation in enumerate(data.relations):
        sent = names[relation.source_type][relation.sources.numpy()]
        features = graph.features(at)
        if features is not None:
            sent = sent.copy()
            _add_columns(sent, features, at)
        for weights in _channel_weights(graph, data, at):
            sent = _mixed(sent + _mixed(_bits(weights) + np.uint64(2 * at + 1)))
        carries = graph.weights(at).numpy() != 0
        np.add.at(found[relation.target_type][:, 1], relation.targets.numpy()[carries], sent[carries])
    return found


def save_fingerprints(folder: Path, found: Sequence[Hashes]) -> None:
    """Write them into an artifact."""
    for kind, hashes in enumerate(found):
        save_array(folder / node_folder(kind) / FINGERPRINTS, hashes)


@dataclass(frozen=True)
class Known:
    """What an earlier artifact says of the nodes of a graph."""

    #: Per node type: (n, d); of nodes that it does not know anything.
    embeddings: Vectors
    #: Per node type: whether a node enters the first layer as it did, and receives the messages that it did.
    same_inputs: Marks
    same_messages: Marks


def read_known(artifact: Path, model: Model, ids: Sequence[IdColumn], found: Sequence[Hashes]) -> Known | None:
    """Return what an artifact knows; None where it is of another model, or has no fingerprints.

    Raises:
        InvalidData: it is no artifact, or a file of it is damaged.
    """
    manifest = read_record(artifact / MANIFEST, Manifest)
    names = [f"{node_folder(kind)}/{FINGERPRINTS}" for kind in range(len(ids))]
    if len(manifest.schema.nodes) != len(ids) or not manifest.files.keys() >= set(names):
        return None
    if manifest.hyperparameters != model.hyperparameters.to_json() or not _is_same_model(
        artifact / WEIGHTS, model
    ):
        return None
    embeddings, inputs, messages = [], [], []
    for kind, (column, hashes) in enumerate(zip(ids, found, strict=True)):
        folder = artifact / node_folder(kind)
        rows = IdColumn(folder).rows(column.texts())
        before = np.load(folder / FINGERPRINTS, allow_pickle=False)
        vectors = np.load(folder / "embeddings.npy", allow_pickle=False)
        known = rows >= 0
        same = np.zeros((len(rows), 2), np.bool_)
        same[known] = before[rows[known]] == hashes[known]
        placed = np.zeros((len(rows), vectors.shape[1]), np.float32)
        placed[known] = vectors[rows[known]]
        embeddings.append(torch.from_numpy(placed))
        inputs.append(torch.from_numpy(same[:, 0]))
        messages.append(torch.from_numpy(same[:, 1]))
    return Known(embeddings, inputs, messages)


def changed_embeddings(
    model: Model, graph: MessageGraph, data: TrainingData, known: Known
) -> tuple[Vectors, int] | None:
    """Return the embeddings of all nodes and how many were computed; None where computing all is cheaper."""
    layers = len(model.encoder.layers)
    changed = _reached(data, known, layers)
    rows = [torch.nonzero(marks)[:, 0] for marks in changed]
    hops, first, messages = _hops(graph, data, rows, layers)
    if messages > WORTHWHILE * layers * sum(len(relation.sources) for relation in data.relations):
        return None
    vectors = [values.clone() for values in known.embeddings]
    computed = sum(map(len, rows))
    if computed:
        features = [
            {name: values[chosen] for name, values in columns.items()}
            for chosen, columns in zip(first, data.features, strict=True)
        ]
        encoder = model.encoder
        with torch.no_grad():
            structured = encoder.structured(features, first)
            newest = encoder.along(hops, structured, encoder.learned(first), encoder.joined_of(rows))
        for values, chosen, new in zip(vectors, rows, newest, strict=True):
            values[chosen] = new
    return vectors, computed


def _reached(data: TrainingData, known: Known, layers: int) -> Marks:
    """Return which nodes have another embedding: layer by layer, by changes of its own and of who sends."""
    changed = [~same for same in known.same_inputs]
    for _ in range(layers):
        after = [marks | ~same for marks, same in zip(changed, known.same_messages, strict=True)]
        for relation in data.relations:
            sends = changed[relation.source_type][relation.sources]
            after[relation.target_type][relation.targets[sends]] = True
        changed = after
    return changed


def _hops(
    graph: MessageGraph, data: TrainingData, rows: Sequence[Tensor], layers: int
) -> tuple[list[Hop], list[Tensor], int]:
    """Return the hops to some rows, the rows that the first one starts from, and how many messages they carry."""
    hops, messages, wanted = [], 0, list(rows)
    for _ in range(layers):
        into = [_places(chosen, count) for chosen, count in zip(wanted, data.counts, strict=True)]
        taken = [torch.nonzero(into[r.target_type][r.targets] >= 0)[:, 0] for r in data.relations]
        needed = [places >= 0 for places in into]
        for relation, edges in zip(data.relations, taken, strict=True):
            needed[relation.source_type][relation.sources[edges]] = True
        before = [torch.nonzero(marks)[:, 0] for marks in needed]
        out_of = [_places(chosen, count) for chosen, count in zip(before, data.counts, strict=True)]
        own = []
        for at, (relation, edges) in enumerate(zip(data.relations, taken, strict=True)):
            senders = out_of[relation.source_type][relation.sources[edges]]
            receivers = into[relation.target_type][relation.targets[edges]]
            count = len(wanted[relation.target_type])
            features = graph.features(at)
            said = None if features is None else features[edges]
            weights = (each[edges] for each in _channel_weights(graph, data, at))
            own.append([EdgeMessages(senders, receivers, each, count, said) for each in weights])
            messages += len(edges)
        hops.append(Hop(in_order(own), [places[chosen] for places, chosen in zip(out_of, wanted, strict=True)]))
        wanted = before
    return hops[::-1], wanted, messages


def _channel_weights(graph: MessageGraph, data: TrainingData, at: int) -> Iterator[Tensor]:
    """Yield the weights of a relation's channels: all alike first, then by each column of labels."""
    weights, labels = graph.weights(at), graph.labels(data.relations[at].edge_type)
    yield weights
    if labels is not None:
        yield from (weights * column for column in labels.T)


def _tables(model: Model) -> Mapping[int, list[Tensor]]:
    """Return the encoder's vectors per node, by node type."""
    values, found = model.state_dict(), dict[int, list[Tensor]]()
    for name, kind in model.node_tables.items():
        if name.startswith("encoder."):
            found.setdefault(kind, []).append(values[name])
    return found


def _is_same_model(path: Path, model: Model) -> bool:
    """Return whether weights are those of a model, but for its tables with a row per node."""
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            values = {name: value for name, value in model.state_dict().items() if name not in model.node_tables}
            return names == model.state_dict().keys() and all(
                torch.equal(file.get_tensor(name), value) for name, value in values.items()
            )
    except (OSError, SafetensorError) as error:
        raise InvalidData(f"{path} is no whole file of weights ({error}); run `transform` again") from None


def _places(rows: Tensor, count: int) -> Tensor:
    """Return the position of each of `count` rows among some, -1 for the others."""
    places = torch.full((count,), -1)
    places[rows] = torch.arange(len(rows))
    return places


def _hash_by_row(column: IdColumn) -> Hashes:
    hashes, rows = column.by_hash()
    found = np.empty(len(rows), np.uint64)
    found[rows] = hashes
    return found


def _add_columns(hashes: Hashes, values: Tensor, position: int) -> None:
    """Mix the columns of a matrix into the hashes of its rows."""
    for column in range(values.shape[1]):
        place = ((position << 32) + column + 1) * 0x9E3779B97F4A7C15 % 2**64
        hashes += _mixed(_bits(values[:, column]) + np.uint64(place))


def _bits(values: Tensor) -> Hashes:
    array = np.ascontiguousarray(values.detach().cpu().numpy(), dtype=np.float32)
    return array.view(np.uint32).astype(np.uint64)


def _mixed(keys: Hashes) -> Hashes:
    """Return keys scattered over 64 bits (the last steps of SplitMix64, Steele et al., 2014)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
