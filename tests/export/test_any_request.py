"""Request documents of any kind never end in a traceback: they are read, or refused with each problem's path."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neptuneml_plugin.config import ExportConfig, load_document
from neptuneml_plugin.errors import BadRequest, InvalidParameter, InvalidSettings, UnsupportedOperation
from neptuneml_plugin.export.export import export_graph
from neptuneml_plugin.export.request.feature_types import V1_FEATURES, V2_FEATURES
from neptuneml_plugin.export.request.filterconfig import read_selections
from neptuneml_plugin.export.request.parameters import PARAMETERS, SYNONYMS
from neptuneml_plugin.export.request.request import MEMBERS, read_request
from neptuneml_plugin.export.request.targets import JOB_MEMBERS, SPLIT_TOLERANCE, read_jobs
from neptuneml_plugin.problems import Problems, as_json, is_text
from neptuneml_plugin.trainingdata.similar import MEMBERS as SIMILAR_MEMBERS
from neptuneml_plugin.trainingdata.splits import MEMBERS as SPLIT_MEMBERS
from tests.export.graphs import BOOKS, TYPES

#: What the project says of bad input.
REFUSALS = (InvalidParameter, UnsupportedOperation, BadRequest)

TEXTS = st.sampled_from(
    [
        "", "Book", "Reader", "Reviewed", "title", "genre", "pages", "age", "stars", "Thing", "all", "nodes",
        "both", "csv", "json", "parquet", "auto", "none", ";", "|", "1", "v1.0", "v2.0", "create-pg-config",
        "g.V()", "has('a')", "classification", "regression", "link_prediction", "mean", "config", "../x",
        "\ud800", "a\0b", "x" * 300,
    ]
)  # fmt: skip
#: JSON, and what YAML can hold beside it.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.integers(-2, 12)
    | st.floats()
    | TEXTS
    | st.text(max_size=6)
    | st.dates()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.integers() | st.booleans(), inner, max_size=3)
    ),
    max_leaves=6,
)


def document(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with some of the members."""
    return st.fixed_dictionaries({}, optional=members)


def some(names: Any, values: st.SearchStrategy[Any] = VALUES, most: int = 5) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(sorted(names)), values, max_size=most)


NODES = st.sampled_from(["Book", "Reader", ["Book"], "Bok", 5])
EDGES = st.sampled_from(
    [["Reader", "Reviewed", "Book"], ["Reader", "Reviewed"], [["Reader"], "Reviewed", ["Book"]]]
)
PROPERTIES = st.sampled_from(["title", "genre", "pages", "published", "blurb", "age", "stars", "nothing"])
FEATURE_MEMBERS = {name for rules in (V1_FEATURES, V2_FEATURES) for kind in rules.types.values() for name in kind}
TYPES_OF_FEATURES = st.sampled_from([*V2_FEATURES.types, *V1_FEATURES.types, "text"])
GOOD = st.sampled_from([[0, 9], [1, 2], 3, "en", "mean", "min-max", "|", ["year"], ["en_core_web_lg"]])
TARGETS = document(
    node=NODES, edge=EDGES, property=PROPERTIES, separator=TEXTS, split_rate=VALUES,
    type=st.sampled_from(["classification", "regression", "link_prediction"]),
    split=VALUES | some(SPLIT_MEMBERS, st.sampled_from(["time", "inductive", "stars", "source", True]) | VALUES),
)  # fmt: skip
SIMILAR = VALUES | some(SIMILAR_MEMBERS, st.sampled_from(["Book", ["title"], "like", 0.5, 3]) | VALUES)
FEATURES = st.builds(
    lambda selector, members: {**members, **selector},
    document(node=NODES, edge=EDGES, property=PROPERTIES, type=TYPES_OF_FEATURES),
    some(FEATURE_MEMBERS, GOOD | VALUES),
)
JOBS = st.builds(
    lambda members, own: {**members, **own},
    some(JOB_MEMBERS, VALUES, most=1),
    document(
        version=st.sampled_from(["v1.0", "v2.0"]), targets=TARGETS | st.lists(TARGETS, max_size=2),
        features=FEATURES | st.lists(FEATURES, max_size=3), similar=SIMILAR,
    ),
)  # fmt: skip
LEARNING = JOBS | st.lists(JOBS, max_size=3) | st.builds(lambda jobs: {"jobs": jobs}, st.lists(JOBS, max_size=2))
PARAMS = some({*PARAMETERS, *SYNONYMS}, VALUES, most=3)
# Files that such a document might write beside the export are not what is tested here.
TOP = some(set(MEMBERS) - {"completionFileS3Path"}, VALUES, most=2)


def read(request: Any) -> Any:
    return read_request(ExportConfig(gremlin="ws://unused", request=request))


def refused(run: Callable[[], object]) -> bool:
    """Run; return whether it was refused. Whatever else it raises is a failure."""
    try:
        run()
    except REFUSALS as error:
        return bool(str(error)) or pytest.fail("an error without a word")
    return False


@given(TOP)
def test_any_document(request: dict[str, Any]) -> None:
    refused(lambda: read(request))


@given(PARAMS)
def test_any_params(params: dict[str, Any]) -> None:
    refused(lambda: read({"params": params}))


@given(VALUES | LEARNING)
def test_any_neptune_ml(learning: Any) -> None:
    refused(lambda: read({"additionalParams": {"neptune_ml": learning}}))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LEARNING, PARAMS)
def test_what_is_read_is_exported_as_json_or_refused(learning: Any, params: dict[str, Any]) -> None:
    request = {"params": params, "additionalParams": {"neptune_ml": learning}}
    for graph in (BOOKS, TYPES):
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "out"
            if refused(lambda: export_graph(graph, read(request), target)):  # noqa: B023 - run at once
                assert list(Path(folder).iterdir()) == []
            else:
                assert all(isinstance(json.loads(file.read_text()), dict) for file in target.glob("*.json"))


@given(VALUES)
def test_any_filter(value: Any) -> None:
    problems = Problems("request", strict=True)
    for selection in read_selections(value, "filter", problems):
        assert all(is_text(entry.label) for entry in selection.entries)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=3))
def test_each_problem_has_the_path_of_its_member(params: dict[str, Any]) -> None:
    unknown = {name: value for name, value in params.items() if name not in {*PARAMETERS, *SYNONYMS}}
    try:
        read({"params": unknown})
    except InvalidSettings as error:
        problems = error.problems
        assert [text.startswith(f"params.{name}: ") for name, text in zip(unknown, problems, strict=True)]
    else:
        assert unknown == {}


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_shares_are_taken_if_they_add_up(shares: list[float]) -> None:
    problems = Problems("request", strict=True)
    (job,) = read_jobs({"split_rate": shares}, "neptune_ml", problems)
    if abs(sum(shares) - 1) <= SPLIT_TOLERANCE:
        assert list(job.split_rate) == shares
        problems.raise_if_any()
    else:
        with pytest.raises(InvalidSettings, match=r"neptune_ml\.split_rate: "):
            problems.raise_if_any()


@given(st.lists(st.none() | st.text("ab/.\0\n", min_size=1, max_size=5), max_size=4))
def test_names_of_configurations_are_files_of_the_folder(names: list[str | None]) -> None:
    problems = Problems("request", strict=True)
    jobs = read_jobs([{} if name is None else {"name": name} for name in names], "neptune_ml", problems)
    for job in jobs:
        assert Path("folder", f"{job.name}.json").resolve().parent == Path("folder").resolve()


@given(VALUES)
def test_what_is_recorded_is_json(value: Any) -> None:
    recorded = as_json(value)
    assert json.loads(json.dumps(recorded, allow_nan=False, ensure_ascii=False).encode()) is not ...


@given(content=st.text() | st.binary().map(lambda content: content.decode(errors="replace")))
def test_any_file_is_read_or_refused(content: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("request") / "request.json"
    file.write_text(content, encoding="utf-8", errors="replace")
    refused(lambda: read(load_document(file)))
