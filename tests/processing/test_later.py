"""After a split by time, edges from the time after the training rows are told apart."""

from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.processed import ProcessedFolder, open_processed
from neptuneml_plugin.processing import process
from tests.processing.exports import configuration, edge, node, write_export

#: Ten papers of ten years; the first eight train.
PAPERS = "~id,field,year\n" + "".join(f"p{n},{'ab'[n % 2]},{2000 + n}\n" for n in range(10))
CITES = "~from,~to\n" + "".join(f"p{n},p{n - 1}\n" for n in range(1, 10))
AUTHORS = "~id\na\nb\n"
READS = "~from,~to,year\na,p1,2001\nb,p1,2015\na,p9,\nb,p2,\n"
KNOWS = "~from,~to\na,b\n"
FIELD = {
    "label": ["field", "classification"],
    "split_rate": [0.8, 0.2, 0],
    "split": {"kind": "time", "property": "year"},
}


def processed(folder: Path, **changes: str) -> ProcessedFolder:
    files = {
        "nodes/Paper.csv": PAPERS,
        "nodes/Reader.csv": AUTHORS,
        "edges/cites.csv": CITES,
        "edges/reads.csv": READS,
        "edges/knows.csv": KNOWS,
    }
    entries: list[dict[str, Any]] = [
        node("Paper", labels=[FIELD]),
        node("Reader"),
        edge("Paper", "cites", "Paper"),
        edge("Reader", "reads", "Paper"),
        edge("Reader", "knows", "Reader"),
    ]
    write_export(folder / "export", files | changes, configuration(*entries))
    process.run(ProcessConfig(dgl_graph=False), folder / "export", folder / "processed")
    return open_processed(folder / "processed")


def test_an_edge_is_as_late_as_it_or_its_vertices_say(tmp_path: Path) -> None:
    opened = processed(tmp_path)
    (report,) = opened.record.splits
    assert report.periods["train"] == ("2000", "2007")
    later = [opened.later(position) for position in range(3)]
    assert later[0] is not None
    assert later[1] is not None
    assert later[0].tolist() == [False] * 7 + [True] * 2, "p8 and p9 are later, and so is what they cite"
    assert later[1].tolist() == [False, True, True, False], "said by the edge, or by the paper"
    assert later[2] is None
    assert report.later == {"(Paper)-cites-(Paper)": 2, "(Reader)-reads-(Paper)": 2}


def test_types_that_do_not_say_when_are_named(tmp_path: Path) -> None:
    warnings = processed(tmp_path).record.warnings
    (said,) = [warning for warning in warnings if "do not say when" in warning]
    assert said.startswith("edges of ('Reader', 'knows', 'Reader') do not say when they came about")


def test_moments_of_another_kind_say_nothing(tmp_path: Path) -> None:
    dates = "~from,~to,year\na,p1,2001-01-01\nb,p9,2015-01-01\n"
    opened = processed(tmp_path, **{"edges/reads.csv": dates})
    later = opened.later(1)
    assert later is not None
    assert later.tolist() == [False, True], "by the papers alone"


def test_links_split_by_time_hide_later_edges_of_other_types(tmp_path: Path) -> None:
    label = {
        "label": ["", "link_prediction"],
        "split_rate": [0.6, 0.2, 0.2],
        "split": {"kind": "time", "property": "at", "keep_pairs": False},
    }
    links = "~from,~to,at\n" + "".join(f"v{n},v{n + 1},{n}\n" for n in range(10))
    other = "~from,~to,at\nv0,v1,5\nv1,v2,6\nv2,v3,99\nv3,v4,\n"
    files = {"edges/joins.csv": links, "edges/likes.csv": other}
    entries = edge("V", "joins", "V", labels=[label]), edge("V", "likes", "V")
    write_export(tmp_path / "export", files, configuration(*entries))
    process.run(ProcessConfig(dgl_graph=False), tmp_path / "export", tmp_path / "processed")
    opened = open_processed(tmp_path / "processed")
    schema = opened.record.schema
    likes = opened.later(schema.edge(EdgeType("V", "likes", "V")))
    assert likes is not None
    assert likes.tolist() == [False, True, True, False]
    joins = schema.edge(EdgeType("V", "joins", "V"))
    later, masks = opened.later(joins), opened.edge(joins).masks
    assert later is not None
    assert np.array_equal(later, masks["valid"] | masks["test"])


def test_other_splits_hide_none(tmp_path: Path) -> None:
    label = FIELD | {"split": {"kind": "random"}}
    files = {"nodes/Paper.csv": PAPERS, "edges/cites.csv": CITES}
    entries = node("Paper", labels=[label]), edge("Paper", "cites", "Paper")
    write_export(tmp_path / "export", files, configuration(*entries))
    process.run(ProcessConfig(dgl_graph=False), tmp_path / "export", tmp_path / "processed")
    opened = open_processed(tmp_path / "processed")
    assert opened.later(0) is None
    assert opened.record.splits[0].later == {}
