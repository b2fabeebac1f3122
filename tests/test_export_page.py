"""docs/export.md as written: each request leads to what stands below it, and its tables are those of the code."""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.export.elements import Row
from neptuneml_plugin.export.export import export_graph
from neptuneml_plugin.export.request.feature_types import LANGUAGES, V1_FEATURES, V2_FEATURES, FeatureRules
from neptuneml_plugin.export.request.gremlin_text import REFUSED_STEPS
from neptuneml_plugin.export.request.layout import Format
from neptuneml_plugin.export.request.parameters import PARAMETERS, SYNONYMS, Use
from neptuneml_plugin.export.request.request import MEMBERS, RECORDED, read_request
from neptuneml_plugin.export.request.subgraph import MEMBERS as SUBGRAPH_MEMBERS
from neptuneml_plugin.export.request.targets import JOB_MEMBERS
from tests.export.graphs import BOOKS
from tests.readme import ROOT, blocks, languages

#: The graph, with what a server would answer to the page's Gremlin.
GRAPH = dataclasses.replace(
    BOOKS,
    filters={"has('pages', gt(95))": lambda row: row.properties.get("pages", 0) > 95},
    queries={
        "g.V().has('pages', gt(95)).elementMap('title', 'pages')": [
            Row("b1", "Book", (), {"title": "A", "pages": 100})
        ]
    },
)
PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
EXAMPLES = list(zip(blocks(PAGE, "json"), blocks(PAGE, "text"), strict=True))


def test_every_block_is_of_a_kind_that_is_tested_here() -> None:
    assert languages(PAGE) == {"json", "text"}
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize(("request_", "shown"), EXAMPLES, ids=[text[:40] for text, _ in EXAMPLES])
def test_example(request_: str, shown: str, tmp_path: Path) -> None:
    name, _, content = shown.partition("\n")
    config = ExportConfig(gremlin="ws://unused", request=json.loads(request_))
    if name == "error":
        with pytest.raises(NeptuneMLError) as caught:
            read_request(config)
        assert f"{caught.value}\n" == content
        return
    export_graph(GRAPH, read_request(config), tmp_path / "out")
    written = (tmp_path / "out" / name).read_text(encoding="utf-8")
    if content.startswith("{\n"):
        assert json.loads(written) == json.loads(content)
    else:
        assert written == content


def rows(*header: str) -> list[list[str]]:
    """Return the cells of every table that has this header."""
    found: list[list[str]] = []
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in table.splitlines()]
        if cells[0] == list(header):
            found += [[cell.strip("| ") for cell in row] for row in cells[2:]]
    return found


def names(cell: str) -> list[str]:
    return re.findall(r"`([\w-]+)`", cell)


def by_reason(members: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, reason in members.items():
        found.setdefault(reason, []).append(name)
    return found


def test_what_is_recorded_or_refused_stands_there_with_its_reason() -> None:
    expected = by_reason(RECORDED)
    for reason, members in by_reason(
        {name: parameter.reason for name, parameter in PARAMETERS.items() if parameter.use is not Use.EFFECT}
    ).items():
        expected[reason] = expected.get(reason, []) + members
    assert sorted(expected) == sorted({reason for _, reason in rows("members", "why")})
    listed = [(reason, name) for members, reason in rows("members", "why") for name in names(members)]
    assert sorted(listed) == sorted((reason, name) for reason, group in expected.items() for name in group)


def test_what_has_an_effect_stands_there() -> None:
    effective = {name for name, parameter in PARAMETERS.items() if parameter.use is Use.EFFECT}
    listed = {name for row in rows("member", "values", "effect") for name in names(row[0])}
    assert listed == effective | {*SYNONYMS, *JOB_MEMBERS, "jobs"}


def test_every_member_of_the_document_stands_there() -> None:
    listed = {name for row in rows("member", "what becomes of it") for name in names(row[0])}
    assert listed == set(MEMBERS) - set(RECORDED)


def test_every_member_of_a_subgraph_stands_there() -> None:
    assert [names(row[0])[0] for row in rows("member of `subgraph`", "values")] == list(SUBGRAPH_MEMBERS)


def test_every_format_stands_there() -> None:
    listed = {
        names(form)[0]: read.startswith("yes")
        for form, _, read in rows("`format`", "the files", "`process` reads it")
    }
    assert listed == {form.value: form.is_read for form in Format}


def test_every_feature_type_stands_there_with_its_members() -> None:
    def types(rules: FeatureRules) -> list[tuple[str, list[str]]]:
        return [(kind, list(members)) for kind, members in rules.types.items()]

    listed = [(names(kind)[0], names(members)) for kind, members in rows("type", "members")]
    assert listed == types(V2_FEATURES) + types(V1_FEATURES)


def test_every_alias_language_and_refused_step_stands_there() -> None:
    for other in [*V2_FEATURES.aliases, *V2_FEATURES.members, *REFUSED_STEPS]:
        assert f"`{other}`" in PAGE
    for language in (name for known in LANGUAGES.values() for name in known):
        assert f"`{language}`" in PAGE
