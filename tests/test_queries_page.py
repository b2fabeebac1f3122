"""docs/queries.md as written: each block is asked and answers what stands below it."""

import doctest
import re
from collections.abc import Iterator
from typing import Any

import pytest
from gremlin_python.driver.client import Client

from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.testing import FakeService
from tests.java_classes import PROJECT
from tests.library import PAGE, definitions, library
from tests.readme import blocks, languages
from tests.servers import Connect
from tests.test_readme import submit

FORMS = blocks(PAGE, "groovy")[2:]


@pytest.fixture(scope="module", autouse=True)
def graph(gremlin_server_any_ids: GremlinServer, fake_service: FakeService) -> Iterator[None]:
    with library(gremlin_server_any_ids, fake_service):
        yield


def split(block: str) -> tuple[str, list[str]]:
    query, *answers = block.rstrip("\n").split("\n==>")
    return query, answers


def test_every_block_is_of_a_kind_that_is_tested_here() -> None:
    assert languages(PAGE) == {"groovy", "gremlin", "python", "text"}
    assert len(FORMS) >= 20


@pytest.mark.parametrize("block", FORMS, ids=lambda block: split(block)[0].replace("\n", "")[:80])
def test_groovy(gremlin_server_any_ids: GremlinServer, block: str) -> None:
    query, answers = split(block)
    assert answers
    shown = submit(gremlin_server_any_ids.url, f"{definitions()}\n({query}).toList().collect {{ it.toString() }}")
    assert shown == answers


@pytest.mark.parametrize("block", blocks(PAGE, "gremlin"))
def test_gremlin_lang(gremlin_server_any_ids: GremlinServer, block: str) -> None:
    query, answers = split(block)
    client = Client(gremlin_server_any_ids.url, "g")
    try:
        assert client.submit(query, request_options={"language": "gremlin-lang"}).all().result() == answers
    finally:
        client.close()


def test_python(gremlin_server_any_ids: GremlinServer, connect: Connect) -> None:
    names: dict[str, Any] = {"g": connect(gremlin_server_any_ids)}
    page = doctest.DocTestParser().get_doctest("\n".join(blocks(PAGE, "python")), names, "queries.md", None, 0)
    report: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(page, out=report.append)
    assert not results.failed, "".join(report)
    assert results.attempted >= 8


def as_compared(line: str) -> str:
    """Leave out what changes from run to run: times, sizes and ids of requests; and the width of columns."""
    return re.sub(r"\d+\.\d+|(?<=bytes=)\d+|(?<=requestId=)[-0-9a-f]{36}", "#", " ".join(line.split()))


@pytest.mark.parametrize("block", blocks(PAGE, "text"))
def test_shown_lines(gremlin_server_any_ids: GremlinServer, block: str) -> None:
    query, *lines = block.splitlines()
    shown = f"{definitions()}\n{query}{'.next()' if query.endswith('profile()') else ''}.toString()"
    (text,) = submit(gremlin_server_any_ids.url, shown)
    found = [as_compared(line) for line in text.splitlines()]
    expected = [as_compared(line) for line in lines if line != "…"]
    assert expected
    assert [line for line in expected if line not in found] == [], text


@pytest.mark.parametrize("block", [*FORMS, *blocks(PAGE, "gremlin")])
def test_no_answer_is_a_stored_one(block: str) -> None:
    """What the library stores as a genre shows only beside predictions."""
    query, answers = split(block)
    assert ("vp[genre->poem]" in answers) == ("union" in query)


def test_every_setting_of_the_plugin_is_in_the_table() -> None:
    plugin = PROJECT / "src/main/java/io/github/neptuneml/gremlin/NeptuneMLGremlinPlugin.java"
    settings = re.findall(r"public Builder (\w+)\(", plugin.read_text(encoding="utf-8"))
    documented = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(settings) == sorted(documented)
    assert settings
