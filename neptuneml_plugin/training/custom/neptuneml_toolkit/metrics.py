"""Metrics that scripts print and save."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sklearn import metrics
from torch import Tensor

Triples = tuple[Tensor, Tensor, Tensor]


def classification_report(
    labels: Any,
    predictions: Any,
    return_dict: bool = True,  # noqa: FBT001, FBT002 - the toolkit's signature
    label_map: Mapping[int, Any] | None = None,
    label_indices: Sequence[int] | None = None,
    target_names: Sequence[str] | None = None,
) -> dict[str, Any] | None:
    """Print precision, recall and F1 of each class, and return them; `label_map` names the classes."""
    if label_map is not None:
        label_indices = sorted(label_map)
        target_names = [str(label_map[index]) for index in label_indices]
    truth, said = (
        values.detach().cpu().numpy() if torch.is_tensor(values) else values for values in (labels, predictions)
    )
    options = {"zero_division": 0, "labels": label_indices, "target_names": target_names}
    sys.stdout.write(metrics.classification_report(truth, said, **options) + "\n")
    if not return_dict:
        return None
    report: dict[str, Any] = metrics.classification_report(truth, said, output_dict=True, **options)
    return report


def save_eval_metrics(metrics: Mapping[str, Any], path: str) -> None:
    """Write `eval_metrics_info.json`."""
    (Path(path) / "eval_metrics_info.json").write_text(json.dumps(metrics), encoding="utf-8")


def mrr(
    node_embeddings: Any,
    query_edges: Triples,
    scoring_fn: Callable[[Tensor, Tensor, Tensor], Tensor],
    masked_edges: Triples | None = None,
    src_type: str | None = None,
    dst_type: str | None = None,
    hits: Sequence[int] = (1,),
) -> tuple[float, list[float]]:
    """Return the mean reciprocal rank of edges, of both their ends, and the share of ranks up to each of `hits`.

    Args:
        node_embeddings: (nodes, d), or by type.
        query_edges: sources, targets and numbers of the types.
        scoring_fn: (sources' vectors, targets' vectors, types) to scores.
        masked_edges: known edges, which are no candidates.
        src_type: of the sources, where embeddings are by type.
        dst_type: of the targets.
        hits: ranks.
    """
    ends = (node_embeddings[src_type], node_embeddings[dst_type]) if src_type else (node_embeddings,) * 2
    known = {tuple(edge) for edge in torch.stack(list(masked_edges), 1).tolist()} if masked_edges else set()
    ranks = []
    with torch.no_grad():
        for source, target, kind in torch.stack(list(query_edges), 1).tolist():
            ranks.append(_rank(ends, (source, target, kind), 0, scoring_fn, known))
            ranks.append(_rank(ends, (source, target, kind), 1, scoring_fn, known))
    places = torch.tensor(ranks, dtype=torch.float64)
    return float((1 / places).mean()), [float((places <= hit).double().mean()) for hit in hits]


def _rank(
    ends: tuple[Tensor, Tensor],
    edge: tuple[int, int, int],
    asked: int,
    score: Callable[[Tensor, Tensor, Tensor], Tensor],
    known: set[tuple[int, ...]],
) -> float:
    """Return the place of an edge among those with another node at one end; a tie counts as half a place."""
    count, wanted = len(ends[asked]), edge[asked]
    candidates = [n for n in range(count) if n == wanted or (*edge[:asked], n, *edge[asked + 1 :]) not in known]
    sides = [ends[0][edge[0]].expand(len(candidates), -1), ends[1][edge[1]].expand(len(candidates), -1)]
    sides[asked] = ends[asked][candidates]
    scores = score(sides[0], sides[1], torch.full((len(candidates),), edge[2]))
    own = scores[candidates.index(wanted)]
    return float(1 + (scores > own).sum() + ((scores == own).sum() - 1) / 2)
