"""Small graphs whose answer is known: an export folder for each task, with the signal put where the caller says.

Vertices `item` (String ids) and `tag` (Integer ids); edges `(item)-linked->(item)` and `(item)-has->(tag)`. Each
vertex belongs to one of `BLOCKS` hidden blocks. An item's tags are of the item's `outer` block, an item's own
properties `size` and `shape` show its `inner` block; the answer depends on the first (`neighbours`), the second
(`own`) or both. Links stay within a block of answers for node tasks and link prediction and are random for edge
tasks, whose answer compares (class) or adds up (regression) the values of the two ends.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import Task

Signal = Literal["own", "neighbours", "both"]
Ints = npt.NDArray[np.int64]
BLOCKS = 3
TAGS_PER_ITEM = 4
LINKS_PER_ITEM = 5
#: Share of tags and links that follow the blocks; the rest are noise.
FAITHFUL = 0.9
KINDS = ("amber", "blue", "coral")
SPLIT_RATE = (0.7, 0.15, 0.15)


@dataclass(frozen=True)
class Hidden:
    """What no file says: blocks of items and tags."""

    inner: Ints
    outer: Ints
    tags: Ints

    def answer(self, signal: Signal) -> Ints:
        """Return each item's block of answers, (items,)."""
        chosen = {"own": self.inner, "neighbours": self.outer, "both": (self.inner + self.outer) % BLOCKS}
        return chosen[signal]

    def value(self, signal: Signal) -> Ints:
        """Return each item's number before noise, (items,)."""
        return {"own": self.inner, "neighbours": self.outer, "both": self.inner + self.outer}[signal]


def planted_export(
    folder: Path,
    task: Task,
    *,
    nodes: int = 300,
    seed: int = 0,
    signal: Signal = "neighbours",
    multi_label: bool = False,
) -> Path:
    """Write an export folder of `nodes` items and a third as many tags; return `folder`.

    Targets: item `kind` (class) or `price` (regression); edge `linked` `strength` (`near`/`far`, or a number) or
    the link itself. `multi_label` makes `kind` the item's kind and the one after it for every other item.
    """
    rng = np.random.default_rng(seed)
    tag_count = max(nodes // 3, BLOCKS)
    hidden = Hidden(
        rng.integers(BLOCKS, size=nodes), rng.integers(BLOCKS, size=nodes), np.arange(tag_count) % BLOCKS
    )
    linked = _links(hidden, task, signal, rng)
    items, tags = _item_rows(hidden, task, signal, rng, multi_label=multi_label), _tag_rows(hidden, rng)
    edges = _linked_rows(hidden, linked, task, signal, rng)
    _write_csv(folder / "nodes" / "item.consolidated.csv", items)
    _write_csv(folder / "nodes" / "tag.consolidated.csv", tags)
    _write_csv(folder / "edges" / "%28item%29-linked-%28item%29.consolidated.csv", edges)
    _write_csv(folder / "edges" / "%28item%29-has-%28tag%29.consolidated.csv", _has_rows(hidden, rng))
    _write_json(folder / "training-data-configuration.json", _configuration(task, multi_label=multi_label))
    _write_json(folder / "config.json", _schema(task))
    return folder


def _item_rows(
    hidden: Hidden, task: Task, signal: Signal, rng: np.random.Generator, *, multi_label: bool
) -> list[dict[str, Any]]:
    size = hidden.inner + rng.normal(0, 0.25, len(hidden.inner))
    shape = _faithful(hidden.inner, rng)
    price = 10.0 * hidden.value(signal) + rng.normal(0, 1.0, len(size))
    rows = []
    for i, block in enumerate(hidden.answer(signal)):
        row: dict[str, Any] = {"~id": f"item-{i}", "~label": "item", "size": float(size[i])}
        row["shape"] = ("disc", "cube", "cone")[shape[i]]
        if task is Task.NODE_CLASS:
            second = f";{KINDS[(block + 1) % BLOCKS]}" if multi_label and i % 2 else ""
            row["kind"] = KINDS[block] + second
        if task is Task.NODE_REGRESSION:
            row["price"] = float(price[i])
        rows.append(row)
    return rows


def _tag_rows(hidden: Hidden, rng: np.random.Generator) -> list[dict[str, Any]]:
    weight = hidden.tags + rng.normal(0, 0.1, len(hidden.tags))
    return [
        {"~id": 1000 + i, "~label": "tag", "weight": float(weight[i]), "colour": ("red", "green", "grey")[block]}
        for i, block in enumerate(hidden.tags)
    ]


def _has_rows(hidden: Hidden, rng: np.random.Generator) -> list[dict[str, Any]]:
    items = np.repeat(np.arange(len(hidden.outer)), TAGS_PER_ITEM)
    # Tag t is of block t % BLOCKS.
    per_block = len(hidden.tags) // BLOCKS
    tags = rng.integers(per_block, size=len(items)) * BLOCKS + _faithful(hidden.outer[items], rng)
    return [
        {"~id": f"has-{i}", "~label": "has", "~from": f"item-{item}", "~to": 1000 + int(tag)}
        for i, (item, tag) in enumerate(zip(items, tags, strict=True))
    ]


def _links(hidden: Hidden, task: Task, signal: Signal, rng: np.random.Generator) -> Ints:
    """Return distinct links, (links, 2); none from an item to itself."""
    count = len(hidden.outer)
    sources = np.repeat(np.arange(count), LINKS_PER_ITEM)
    targets = rng.integers(count, size=len(sources))
    if task in {Task.NODE_CLASS, Task.NODE_REGRESSION, Task.LINK_PREDICTION}:
        blocks = hidden.answer(signal)
        members = [np.flatnonzero(blocks == block) for block in range(BLOCKS)]
        wanted = _faithful(blocks[sources], rng)
        targets = np.array([rng.choice(members[block]) for block in wanted])
    pairs = np.unique(np.stack([sources, targets], axis=1), axis=0)
    distinct: Ints = pairs[pairs[:, 0] != pairs[:, 1]]
    return distinct


def _linked_rows(
    hidden: Hidden, linked: Ints, task: Task, signal: Signal, rng: np.random.Generator
) -> list[dict[str, Any]]:
    blocks, values = hidden.answer(signal)[linked], hidden.value(signal)[linked]
    total = 5.0 * values.sum(axis=1) + rng.normal(0, 0.5, len(linked))
    since = rng.integers(1990, 2025, size=len(linked))
    rows = []
    for i, (source, target) in enumerate(linked):
        row: dict[str, Any] = {"~id": f"linked-{i}", "~label": "linked", "~from": f"item-{source}"}
        row |= {"~to": f"item-{target}", "~fromLabels": "item", "~toLabels": "item", "since": int(since[i])}
        if task is Task.EDGE_CLASS:
            row["strength"] = "near" if blocks[i, 0] == blocks[i, 1] else "far"
        if task is Task.EDGE_REGRESSION:
            row["strength"] = float(total[i])
        rows.append(row)
    return rows


def _faithful(blocks: Ints, rng: np.random.Generator) -> Ints:
    """Replace all but a share `FAITHFUL` of the blocks by random ones."""
    return np.where(rng.random(len(blocks)) < FAITHFUL, blocks, rng.integers(BLOCKS, size=len(blocks)))


def _configuration(task: Task, *, multi_label: bool) -> dict[str, Any]:
    numerical = {"norm": "min-max", "imputer": "median"}
    kind = {"label": ["kind", "classification"], "split_rate": SPLIT_RATE}
    if multi_label:
        kind["separator"] = ";"
    labels: dict[Task, tuple[str, dict[str, Any]]] = {
        Task.NODE_CLASS: ("item", kind),
        Task.NODE_REGRESSION: ("item", {"label": ["price", "regression"], "split_rate": SPLIT_RATE}),
        Task.EDGE_CLASS: ("linked", {"label": ["strength", "classification"], "split_rate": SPLIT_RATE}),
        Task.EDGE_REGRESSION: ("linked", {"label": ["strength", "regression"], "split_rate": SPLIT_RATE}),
        Task.LINK_PREDICTION: ("linked", {"label": ["", "link_prediction"], "split_rate": SPLIT_RATE}),
    }
    item = _node(
        "item", [{"feature": ["size", "size", "numerical"]} | numerical, {"feature": ["shape", "shape", "auto"]}]
    )
    tag = _node(
        "tag",
        [{"feature": ["weight", "weight", "numerical"]} | numerical, {"feature": ["colour", "colour", "auto"]}],
    )
    linked = _edge("linked", "item", [{"feature": ["since", "since", "numerical"]} | numerical])
    owner, label = labels[task]
    {"item": item, "linked": linked}[owner]["labels"] = [label]
    graph = {"nodes": [item, tag], "edges": [linked, _edge("has", "tag", [])]}
    return {"version": "v2.0", "query_engine": "gremlin", "graph": graph, "warnings": []}


def _node(label: str, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    name = f"nodes/{label}.consolidated.csv"
    return {"file_name": name, "separator": ",", "node": ["~id", label], "features": list(features)}


def _edge(label: str, target: str, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ends = {"source": ["~from", "item"], "relation": ["", label], "dest": ["~to", target]}
    name = f"edges/%28item%29-{label}-%28{target}%29.consolidated.csv"
    return {"file_name": name, "separator": ",", **ends, "features": list(features)}


def _schema(task: Task) -> dict[str, Any]:
    item, linked = {"size": "Double", "shape": "String"}, {"since": "Integer"}
    targets = {
        Task.NODE_CLASS: (item, "kind", "String"),
        Task.NODE_REGRESSION: (item, "price", "Double"),
        Task.EDGE_CLASS: (linked, "strength", "String"),
        Task.EDGE_REGRESSION: (linked, "strength", "Double"),
    }
    if task in targets:
        properties, name, data_type = targets[task]
        properties[name] = data_type
    tag = {"weight": "Double", "colour": "String"}
    return {
        "nodes": [
            {"label": "item", "idType": "String", "properties": _properties(item)},
            {"label": "tag", "idType": "Integer", "properties": _properties(tag)},
        ],
        "edges": [
            {
                "label": {"~label": "linked", "~fromLabels": ["item"], "~toLabels": ["item"]},
                "properties": _properties(linked),
            },
            {"label": {"~label": "has", "~fromLabels": ["item"], "~toLabels": ["tag"]}, "properties": []},
        ],
    }


def _properties(types: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"property": name, "dataType": kind, "isMultiValue": False, "isNullable": False, "allTypes": [kind]}
        for name, kind in types.items()
    ]


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        writer.writerows(rows)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
