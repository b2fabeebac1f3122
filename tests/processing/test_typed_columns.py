"""An export in Parquet and one in CSV are processed into the same arrays, whatever values and feature types."""

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import pytest
from gremlin_python.statics import long
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.cells import texts
from neptuneml_plugin.config import ExportConfig, ProcessConfig
from neptuneml_plugin.export.export import export_graph
from neptuneml_plugin.export.readers.source import MemoryGraph
from neptuneml_plugin.export.request.request import read_request
from neptuneml_plugin.export.values import Float, Instant
from neptuneml_plugin.processing import process
from neptuneml_plugin.processing.reading.tables import Rows, TableFile, parse_dates, parse_numbers, split_lists

ROWS = 40
WORDS = ("red wine and more", "blue; green", "a", "Ünder the hill", 'x,y\n"z"')


def moment(n: int) -> Instant:
    return Instant.of(1_500_000_000 + n * 86_400 * 50, (n % 3) * 1_000)


#: Property -> its value in a row; None: the row lacks it.
VALUES: dict[str, Any] = {
    "integer": lambda n: n - 7,
    "large": lambda n: long(2**60 + n),
    "double": lambda n: (n - 3.5) * 1e6 if n % 5 else None,
    "single": lambda n: Float(n / 10),
    "odd": lambda n: (math.nan, -0.0, 1e-9, 12345678.9, 1e300)[n % 5],
    "mixed": lambda n: (n, n / 2)[n % 2],
    "truth": lambda n: bool(n % 3),
    "date": lambda n: moment(n) if n % 4 else None,
    "word": lambda n: WORDS[n % 5],
    "words": lambda n: [WORDS[n % 5], WORDS[n % 3]][: 1 + n % 2],
    "sizes": lambda n: [n, n * 2],
    "embedding": lambda n: [n / 4, 1e7, -0.5],
    "dates": lambda n: [moment(n), moment(n + 1)],
}
#: Property -> the types of features that take it, with their members.
TYPES: dict[str, list[dict[str, Any]]] = {
    "integer": [
        {"type": "numerical", "norm": "standard"},
        {"type": "bucket_numerical", "range": [0, 30], "bucket_cnt": 4},
        {"type": "category"},
        {"type": "auto"},
    ],
    "large": [{"type": "numerical"}, {"type": "hash"}],
    "double": [{"type": "numerical", "imputer": "mean"}, {"type": "category"}, {"type": "auto"}],
    "single": [{"type": "numerical", "norm": "z-score"}, {"type": "category"}, {"type": "hash"}],
    "odd": [{"type": "numerical", "norm": "none", "imputer": "median"}, {"type": "category"}, {"type": "hash"}],
    "mixed": [{"type": "numerical"}, {"type": "category"}],
    "truth": [{"type": "category"}, {"type": "auto"}],
    "date": [{"type": "datetime"}, {"type": "category"}, {"type": "hash"}, {"type": "auto"}],
    "word": [
        {"type": "category"},
        {"type": "hash"},
        {"type": "auto"},
        {"type": "text_tfidf", "ngram_range": [1, 2], "min_df": 1, "max_features": 500},
    ],
    "words": [{"type": "category"}, {"type": "hash"}, {"type": "auto", "separator": ";"}],
    "sizes": [{"type": "numerical"}, {"type": "vector"}, {"type": "category"}, {"type": "auto", "separator": ";"}],
    "embedding": [{"type": "vector"}, {"type": "numerical", "norm": "z-score"}, {"type": "hash"}],
    "dates": [{"type": "category"}, {"type": "none"}],
}


def graph() -> MemoryGraph:
    def row(n: int) -> dict[str, Any]:
        made = {name: value(n) for name, value in VALUES.items()}
        return {name: value for name, value in made.items() if value is not None}

    vertices = {f"i{n}": ("item", row(n)) for n in range(ROWS)}
    edges = {
        f"e{n}": (f"i{n}", "next", f"i{(n * 7 + 1) % ROWS}", {"weight": n / 8, "sizes": [n, 1]})
        for n in range(ROWS)
    }
    return MemoryGraph(vertices=vertices, edges=edges)


def processed(folder: Path, form: str, target: str, kind: str) -> dict[str, Any]:
    """Return the description of the graph with the hashes of its arrays, and its encoders."""
    features = [
        {"node": "item", "property": name, **members}
        for name, several in TYPES.items()
        for members in several
        if name != target
    ]
    learned = {
        "targets": {"node": "item", "property": target, "type": kind, "split_rate": [0.6, 0.2, 0.2]},
        "features": features,
    }
    request = {"params": {"format": form}, "additionalParams": {"neptune_ml": learned}}
    export_graph(graph(), read_request(ExportConfig(gremlin="ws://unused", request=request)), folder / "export")
    process.run(ProcessConfig(dgl_graph=False), folder / "export", folder / "processed")
    read = (json.loads((folder / "processed" / name).read_text()) for name in ("processed.json", "encoders.json"))
    described, encoders = read
    described["encoders"] = encoders
    described["warnings"] = [warning.replace(".parquet", ".csv") for warning in described["warnings"]]
    described["files"] = {name: file for name, file in described["files"].items() if "report" not in name}
    return dict(described)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("single", "regression"),
        ("truth", "classification"),
        ("integer", "regression"),
        ("words", "classification"),
    ],
)
def test_every_feature_type_is_encoded_alike(tmp_path: Path, target: str, kind: str) -> None:
    of_csv = processed(tmp_path / "csv", "csv", target, kind)
    of_parquet = processed(tmp_path / "parquet", "parquet", target, kind)
    assert len(of_csv["files"]) >= 25
    assert of_parquet == of_csv


SCALARS = {
    "Integer": st.integers(-(2**31), 2**31 - 1),
    "Double": st.floats(allow_nan=True, allow_infinity=True),
    "Float": st.floats(width=32).map(Float),
    "Boolean": st.booleans(),
    "Date": st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 1, 1)).map(Instant.of_datetime),
    "String": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=5),
}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(SCALARS)), several=st.booleans())
def test_any_column_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: str, *, several: bool
) -> None:
    value: st.SearchStrategy[Any] = SCALARS[kind]
    if several:
        items = value.filter(lambda item: "\\" not in str(item))
        value = st.lists(items, min_size=1, max_size=3)
    values = data.draw(st.lists(st.none() | value, min_size=1, max_size=6))
    vertices = {f"i{n}": ("item", {} if one is None else {"p": one}) for n, one in enumerate(values)}
    folder, columns = tmp_path_factory.mktemp("export"), []
    for form in ("csv", "parquet"):
        request = read_request(ExportConfig(gremlin="ws://unused", request={"params": {"format": form}}))
        export_graph(MemoryGraph(vertices=vertices, edges={}), request, folder / form)
        file = TableFile(folder / form, f"nodes/item.consolidated.{form}")
        if not Rows((file,)).has("p"):
            return
        columns.append(Rows((file,)).column("p").values)
    for reading in (texts, parse_numbers, parse_dates, lambda found: split_lists(found, ";")):
        one, other = (reading(column) for column in columns)
        assert one.equals(other, null_equal=True), reading
