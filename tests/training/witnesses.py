"""A graph whose answer stands in the features of edges alone.

Every `witness` has a colour that all can see. Of nine edges `told` that lead to an item, three come from witnesses
of each colour, so that neighbours say nothing; `trust` is high on two edges from the item's own colour and low on
others. The item's `kind` is that colour.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

COLOURS = ("amber", "blue", "coral")
EACH = 3
TRUSTED = 2


def witnessed_export(folder: Path, items: int = 150, *, seed: int = 0) -> Path:
    """Write the export folder; there are half as many witnesses as items."""
    rng = np.random.default_rng(seed)
    witnesses = rng.permutation(np.arange(items // 2) % len(COLOURS))
    kinds = rng.permutation(np.arange(items) % len(COLOURS))
    told: list[str] = []
    for item, kind in enumerate(kinds):
        for colour in range(len(COLOURS)):
            heard = rng.choice(np.flatnonzero(witnesses == colour), EACH, replace=False)
            for at, witness in enumerate(heard):
                trust = rng.uniform(0.7, 1) if colour == kind and at < TRUSTED else rng.uniform(0, 0.3)
                told.append(f"t{len(told)},told,w{witness},i{item},{trust:.4f}")
    files = {
        "nodes/item.csv": ["~id,~label,kind", *(f"i{row},item,{COLOURS[kind]}" for row, kind in enumerate(kinds))],
        "nodes/witness.csv": [
            "~id,~label,colour",
            *(f"w{row},witness,{COLOURS[colour]}" for row, colour in enumerate(witnesses)),
        ],
        "edges/told.csv": ["~id,~label,~from,~to,trust", *told],
    }
    for name, rows in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(rows) + "\n")
    (folder / "training-data-configuration.json").write_text(json.dumps(_configuration()))
    return folder


def _configuration() -> dict[str, Any]:
    item: dict[str, Any] = {"file_name": "nodes/item.csv", "separator": ",", "node": ["~id", "item"]}
    item["labels"] = [{"label": ["kind", "classification"], "split_rate": [0.6, 0.2, 0.2]}]
    witness: dict[str, Any] = {"file_name": "nodes/witness.csv", "separator": ",", "node": ["~id", "witness"]}
    witness["features"] = [{"feature": ["colour", "colour", "category"]}]
    told: dict[str, Any] = {"file_name": "edges/told.csv", "separator": ",", "source": ["~from", "witness"]}
    told |= {"relation": ["", "told"], "dest": ["~to", "item"]}
    told["features"] = [{"feature": ["trust", "trust", "numerical"], "norm": "min-max", "imputer": "mean"}]
    return {"version": "v2.0", "graph": {"nodes": [item, witness], "edges": [told]}, "warnings": []}
