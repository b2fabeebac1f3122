"""docs/processing.md as written: each feature encodes the cells that stand below it as is shown."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptuneml_plugin.problems import Problems
from neptuneml_plugin.processing.configuration.trainingdata import (
    read_training_data,
)
from neptuneml_plugin.processing.graph.similar_edges import MOST_NODES
from neptuneml_plugin.processing.snapshots.drift import LIMIT, LIMIT_WITHOUT_FEATURES, SAMPLE_ROWS
from neptuneml_plugin.trainingdata.features import (
    COERCE,
    DROP_ROW,
    FEATURE_TYPES,
    IMPUTE,
    RAISE,
    read_feature,
)
from neptuneml_plugin.trainingdata.similar import DEFAULT_MAX_EDGES, MEMBERS
from tests.processing.columns import column, fitted
from tests.processing.exports import library
from tests.readme import ROOT, blocks, languages

PAGE = (ROOT / "docs" / "processing.md").read_text(encoding="utf-8")
_EXAMPLE = re.compile(r"```json\n([^`]*)```\n\n```text\n([^`]*)```")
EXAMPLES = _EXAMPLE.findall(PAGE)
ENTRIES = blocks(PAGE, "json")


def test_every_block_is_of_a_kind_that_is_tested_here() -> None:
    assert languages(PAGE) == {"json", "text"}
    assert len(EXAMPLES) == len(blocks(PAGE, "text")) >= 12


@pytest.mark.parametrize("entry", ENTRIES)
def test_entries_are_read_without_a_word(entry: str, tmp_path: Path) -> None:
    members = json.loads(entry)
    if "similar" in members:
        blurb = {"feature": ["blurb", "blurb", "text_tfidf"], "min_df": 1}
        books = "~id,blurb\n" + "".join(f"{i},word\n" for i in range(1, 5))
        folder = library(tmp_path, book_features=[blurb], files={"nodes/Book.csv": books})
        path = folder / "training-data-configuration.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | members))
        assert read_training_data(folder, path.name).warnings == ()
        return
    features, labels = ([members], None) if "feature" in members else ((), [members])
    folder = library(tmp_path, review_features=features, review_labels=labels)
    data = read_training_data(folder, "training-data-configuration.json")
    assert data.warnings == ()


@pytest.mark.parametrize(("entry", "lines"), EXAMPLES)
def test_examples(entry: str, lines: str) -> None:
    feature = read_feature(json.loads(entry), "features[0]", Problems())
    pairs = [line.split("|") for line in lines.splitlines()]
    cells = [cell.strip() or None for cell, _ in pairs]
    expected = [[float(number) for number in numbers.split()] for _, numbers in pairs]
    np.testing.assert_allclose(fitted(feature, cells).encode(column(cells)), expected, atol=5e-5)


def rows(start: str) -> list[list[str]]:
    """Return the cells of the table whose header begins so."""
    table = PAGE[PAGE.index(f"\n\n| {start} |") + 2 :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def test_the_table_has_every_type_with_its_members() -> None:
    shown: dict[str, set[str]] = {}
    for kind, members, _ in rows("type | members (default)"):
        shown[kind.strip("`")] = set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", members)))
    assert shown == {kind: set(members) for kind, members in FEATURE_TYPES.items()}


def test_the_defaults_are_those_of_the_code() -> None:
    required: dict[str, dict[str, Any]] = {
        "bucket_numerical": {"range": [0, 1], "bucket_cnt": 1},
        "text_fasttext": {"language": "en"},
    }
    fields = {"slide_window_size": "window"}
    checked = 0
    for kind, members, _ in rows("type | members (default)"):
        entry = {"feature": ["x", "x", kind.strip("`")], **required.get(kind.strip("`"), {})}
        spec = read_feature(entry, "f", Problems())
        for member, default in re.findall(r"`(\w+)` \((.*?)\)", members):
            assert re.sub("[`\\[\\] ]", "", default) == as_shown(getattr(spec, fields.get(member, member)))
            checked += 1
    assert checked >= 9


def as_shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_every_policy_is_described() -> None:
    policies = {RAISE, IMPUTE, COERCE, DROP_ROW}
    assert {policy.strip("`") for policy, *_ in rows("`on_error`")} == policies | {"not given"}


def test_members_of_edges_to_build() -> None:
    assert {member.strip("`") for member, *_ in rows("member")} == MEMBERS
    assert f"so many ({DEFAULT_MAX_EDGES})" in PAGE
    assert f"at most {MOST_NODES:,} vertices" in PAGE


def test_limits_of_drift() -> None:
    assert (
        f"`limit` is {LIMIT} where\nevery vertex label has features and {LIMIT_WITHOUT_FEATURES} otherwise" in PAGE
    )
    assert f"at most {SAMPLE_ROWS:,} rows" in PAGE
