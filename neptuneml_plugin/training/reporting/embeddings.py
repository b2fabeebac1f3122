"""Embeddings on a plane, before and after training: their two directions of most variance, of a sample."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from neptuneml_plugin.artifacts import Target
from neptuneml_plugin.charts import COLOURS, Points, Series
from neptuneml_plugin.training.data import TrainingData, known_labels
from neptuneml_plugin.training.models.encoder import Vectors

#: Vertices drawn, at most.
DRAWN = 500
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Vertices of one colour: their node type and rows."""

    name: str
    kind: int
    rows: torch.Tensor


def projections(before: Vectors, after: Vectors, data: TrainingData) -> Iterator[Points]:
    """Yield the planes of the embeddings as the training began, and as it ended."""
    groups = _groups(data)
    for name, vectors in (("before", before), ("after", after)):
        chosen = [vectors[group.kind][group.rows].double().cpu().numpy() for group in groups]
        plane = np.split(project(np.concatenate(chosen)), np.cumsum([len(each) for each in chosen])[:-1])
        series = (
            Series(group.name, tuple((float(x), float(y)) for x, y in part))
            for group, part in zip(groups, plane, strict=True)
        )
        yield Points(tuple(series), caption=f"embeddings {name} training", ticks=False)


def project(vectors: Floats) -> Floats:
    """Return the first two principal components: (n, d) to (n, 2)."""
    centred = vectors - vectors.mean(0) if len(vectors) else vectors
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2] if centred.size else np.zeros((0, 0))
    plane = np.zeros((len(vectors), 2))
    plane[:, : len(directions)] = centred @ directions.T if len(directions) else 0
    return plane


def _groups(data: TrainingData) -> list[Group]:
    """Return what is drawn: of node tasks the target's vertices by their answer, of others those of each label."""
    generator = torch.Generator().manual_seed(0)
    if not data.task.on_nodes:
        kinds = sorted({end for samples in data.samples for end in data.ends_of(samples.position)})[:COLOURS]
        shares = [torch.randperm(data.counts[kind], generator=generator)[: DRAWN // len(kinds)] for kind in kinds]
        names = [data.processed.schema.nodes[kind].label for kind in kinds]
        return [Group(*each) for each in zip(names, kinds, shares, strict=True)]
    samples = data.samples[0]
    if samples.labels is None:
        raise ValueError("link prediction has no labels")
    known = torch.nonzero(known_labels(samples.labels))[:, 0]
    rows = known[torch.randperm(len(known), generator=generator)[:DRAWN].to(known.device)].cpu()
    answers = samples.labels.cpu()[rows]
    named = _by_class(answers, data.processed.target) if data.task.is_class else _by_value(answers)
    return [Group(name, samples.position, rows[mask]) for name, mask in named if bool(mask.any())]


def _by_class(answers: torch.Tensor, target: Target) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the most frequent classes, and all others together; of several classes in a row the first counts."""
    first = answers if answers.dim() == 1 else answers.argmax(1)
    counts = torch.bincount(first, minlength=len(target.classes))
    drawn = counts.argsort(descending=True, stable=True)[: COLOURS - (len(target.classes) > COLOURS)].tolist()
    yield from ((str(target.classes[at]), first == at) for at in drawn)
    if len(target.classes) > COLOURS:
        yield "others", ~torch.isin(first, torch.tensor(drawn))


def _by_value(answers: torch.Tensor, parts: int = 4) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield quarters of the values."""
    limits: Sequence[float] = np.quantile(answers.numpy(), np.linspace(0, 1, parts + 1)).tolist()
    place = torch.bucketize(answers.double(), torch.tensor(limits[1:-1], dtype=torch.float64))
    yield from ((f"{limits[at]:.4g} to {limits[at + 1]:.4g}", place == at) for at in range(parts))
