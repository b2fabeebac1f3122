"""The folder of an ensemble -> who answers from its members."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import Manifest, Task, node_folder, open_artifact
from neptuneml_plugin.config import NewNodeVectors
from neptuneml_plugin.ensembles.agreement import positions
from neptuneml_plugin.ensembles.definition import Combine, Definition, EnsembleRecord, read_ensemble
from neptuneml_plugin.ensembles.finish import Finish, Floats, mean
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.serving.directions import Direction, directions
from neptuneml_plugin.serving.ensembles.live import EnsembleLive
from neptuneml_plugin.serving.ensembles.ways import Averaged, Judges, Rescored
from neptuneml_plugin.serving.links import LinkRanker, Way, Ways, calibration
from neptuneml_plugin.serving.live import Live, LiveModel
from neptuneml_plugin.serving.predict import (
    EdgePredictor,
    EdgeValues,
    LinkPredictor,
    NodePredictor,
    Predictor,
    edge_values,
)
from neptuneml_plugin.serving.subgraph import Ints
from neptuneml_plugin.table import rank_classes


@dataclass(frozen=True)
class Opened:
    """One of the members."""

    folder: Path
    manifest: Manifest
    weight: float


def open_ensemble(folder: Path, manifest: Manifest, new_node_vectors: NewNodeVectors) -> Predictor:
    """Verify the members of an ensemble and map their arrays.

    Args:
        folder: of the ensemble.
        manifest: of the ensemble.
        new_node_vectors: what vertices that the members do not know take.

    Raises:
        InvalidData: a member has gone, or is not the one that the ensemble was made of.
    """
    record = read_ensemble(folder)
    members = _members(record)
    finish = Finish(record.definition, members[0].manifest.target)
    live = _live(manifest, members, finish, new_node_vectors)
    if manifest.task.on_nodes:
        return NodePredictor(folder, manifest, live)  # averaged when the folder was written
    if manifest.task is Task.LINK_PREDICTION:
        return LinkPredictor(manifest, live, _ranker(record.definition, members, finish))
    return EdgePredictor(folder, manifest, live, AveragedEdges(members, finish))


def _members(record: EnsembleRecord) -> list[Opened]:
    members = []
    for member, version in zip(record.definition.members, record.versions, strict=True):
        manifest = open_artifact(member.artifact)
        if manifest.version != version:
            raise InvalidData(
                f"the ensemble was made of {member.artifact} as it was at version {version}, now it is "
                f"{manifest.version}; update the endpoint with the same ensemble"
            )
        members.append(Opened(member.artifact, manifest, member.weight))
    return members


def _live(manifest: Manifest, members: list[Opened], finish: Finish, new_node_vectors: NewNodeVectors) -> Live:
    asked = members if manifest.hyperparameters.get("inductive") else []
    models = [LiveModel(member.folder, member.manifest, new_node_vectors) for member in asked]
    return EnsembleLive(models, [member.weight for member in asked], finish)


class AveragedEdges:
    """The mean of what the members say of edges; of those that all of them know."""

    def __init__(self, members: list[Opened], finish: Finish) -> None:
        self._values: list[EdgeValues] = [edge_values(member.folder, member.manifest) for member in members]
        self._weights, self._finish = [member.weight for member in members], finish

    @property
    def width(self) -> int:
        """See `predict.EdgeValues`."""
        return self._finish.width

    def knows(self, heads: Ints, tails: Ints) -> npt.NDArray[np.bool_]:
        """See `predict.EdgeValues`."""
        return np.asarray(np.all([values.knows(heads, tails) for values in self._values], axis=0))

    def decode(self, heads: Ints, tails: Ints) -> Floats:
        """See `predict.EdgeValues`."""
        return self._finish.outputs(mean([values.decode(heads, tails) for values in self._values], self._weights))


def _ranker(definition: Definition, members: list[Opened], finish: Finish) -> LinkRanker:
    """Return who ranks candidates as the definition says."""
    if definition.combine == Combine.FILTER:
        calibrate = calibration(members[0].manifest)
        return LinkRanker(_filtered(definition, *members), lambda score: finish.link(calibrate(score)))
    each = [directions(member.folder, member.manifest) for member in members]
    calibrations = [calibration(member.manifest) for member in members]
    weights = [member.weight for member in members]
    ways = {
        mode: [
            (edge, _combined(definition, [one[mode][at][1] for one in each], calibrations, weights))
            for at, (edge, _) in enumerate(asked)
        ]
        for mode, asked in each[0].items()
    }
    return LinkRanker(ways, finish.link)


def _combined(
    definition: Definition,
    asked: list[Direction],
    calibrations: list[Callable[[float], float]],
    weights: list[float],
) -> Way:
    if definition.combine == Combine.RESCORE:
        judges = Judges(asked[1:], calibrations[1:], weights[1:])
        return Rescored(asked, judges, definition.candidates)
    return Averaged(asked, Judges(asked, calibrations, weights))


def _filtered(definition: Definition, links: Opened, classifier: Opened) -> Ways:
    """Return the ways to ask the first member, in which candidates of other classes are none."""
    target = classifier.manifest.target
    stored = classifier.folder / node_folder(classifier.manifest.schema.node(target.node or ""))
    best, scores = rank_classes(np.load(stored / "predictions.npy", mmap_mode="r"), 1)
    kept = np.isin(best[:, 0], positions(definition.keep, target)) & (scores[:, 0] >= 0)
    return {
        mode: [
            (edge, _without(direction, ~kept) if direction.candidate_type == target.node else direction)
            for edge, direction in asked
        ]
        for mode, asked in directions(links.folder, links.manifest).items()
    }


def _without(direction: Direction, candidates: npt.NDArray[np.bool_]) -> Direction:
    """Return a direction in which some candidates have no score, and so are none."""
    return replace(direction, candidate_bias=np.where(candidates, np.float32(np.nan), direction.candidate_bias))
