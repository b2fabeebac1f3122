"""The canonical split as files that `process` reads."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.quality import movielens


def configuration(*labels: dict[str, Any]) -> dict[str, Any]:
    return {"graph": {"nodes": [], "edges": [{"relation": ["", "rated"], "labels": list(labels)}]}}


def test_the_first_ratings_are_the_test_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "TEST_ROWS", 3)
    monkeypatch.setattr(movielens, "VALIDATION_ROWS", 2)
    path = tmp_path / "training-data-configuration.json"
    path.write_text(json.dumps(configuration({"label": ["score", "regression"], "split_rate": [0.9, 0.1, 0]})))
    ratings = [[str(n), str(n + 1)] for n in range(10)]
    movielens.write_split(tmp_path, ratings)
    parts = {part: (tmp_path / f"{part}.csv").read_text().splitlines() for part in movielens.SPLITS}
    assert parts["test"] == ["~from,~to", "user_0,movie_1", "user_1,movie_2", "user_2,movie_3"]
    assert [len(parts[part]) for part in movielens.SPLITS] == [6, 3, 4]
    rows = {row for lines in parts.values() for row in lines[1:]}
    assert rows == {f"user_{user},movie_{movie}" for user, movie in ratings}
    (label,) = json.loads(path.read_text())["graph"]["edges"][0]["labels"]
    files = {part: f"{part}.csv" for part in movielens.SPLITS}
    assert label == {"label": ["score", "regression"], "custom_split_filenames": files}
