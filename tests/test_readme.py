"""README as written: its commands run, its settings load, its queries are answered, its files are there."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from gremlin_python.driver.client import Client

from neptuneml_plugin import jars
from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.testing import FakeService, node_endpoint
from tests import stock_server
from tests.quickstart_stack import LONGEST_SECONDS, QuickstartStack
from tests.readme import GREMLIN_PORT, ROOT, SERVICE_PORT, Shell, blocks, languages, shell
from tests.servers import Connect

README = (ROOT / "README.md").read_text(encoding="utf-8")
OWN_SERVER = README.partition("## On your own Gremlin Server")[2].partition("\n## ")[0]
#: Followed by tests/notebook/test_jobs.py and tests/contract/test_boto3.py.
FROM_NEPTUNE = README.partition("## From Neptune ML")[2].partition("\n## ")[0]
TREE = next(block for block in blocks(README, "") if "neptuneml_plugin/" in block)


def test_every_block_is_of_a_kind_that_is_tested_here() -> None:
    assert languages(README) == {"", "bash", "groovy", "ipython", "json", "python", "text", "yaml"}
    assert [block for block in blocks(README, "") if block != TREE] == []
    commands = [block.strip() for block in blocks(README, "bash")]
    assert commands[:2] == ["make quickstart", "make test"]
    assert commands[2:] == [block.strip() for block in blocks(OWN_SERVER, "bash")]
    assert blocks(README, "yaml") + blocks(README, "json") == blocks(OWN_SERVER, "yaml") + blocks(
        OWN_SERVER, "json"
    )


def test_what_changes_from_neptune_is_shown_and_tested() -> None:
    assert languages(FROM_NEPTUNE) == {"ipython", "python"}
    for blocks_of in ("ipython", "python"):
        assert all(SERVICE_PORT in block for block in blocks(FROM_NEPTUNE, blocks_of))


def test_make_has_every_target_that_is_named() -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", README))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"quickstart", "test", "test-clients", "check", "bench"} <= named
    assert named <= targets


def test_the_submission_check_runs_the_commands() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert {"make check", "make test", "make test-clients", "make test-ray", "make test-gherkin"} <= set(lines)


def test_the_tree_lists_existing_files() -> None:
    listed = 0
    top = ROOT
    for line in TREE.splitlines():
        parent = top if line.startswith(" ") else ROOT
        names = re.findall(r"(?<![\w/.])[\w/]+(?:\.py|/)(?![\w*])", line)
        for name in names:  # beside the line's own entry, or inside it
            assert (parent / name).exists() or (parent / names[0] / name).exists(), f"{name} of '{line}'"
        top = top if line.startswith(" ") else ROOT / names[0]
        listed += len(names)
    assert listed >= 20


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) >= 4
    for link in links:
        page, _, heading = link.partition("#")
        assert (ROOT / page).exists(), link
        text = (ROOT / page).read_text(encoding="utf-8") if page else README
        headings = {_anchor(line) for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
        assert not heading or heading in headings, link


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", re.findall(r"`((?:tests|docs|training|examples)/[\w/.]+)`", README))
def test_files_named_in_the_text_exist(path: str) -> None:
    assert (ROOT / path).exists() or (ROOT / "neptuneml_plugin" / path).exists()


# --- what you see ----------------------------------------------------------------------------------------------


@pytest.mark.quickstart
@pytest.mark.timeout(LONGEST_SECONDS + 200)
def test_what_you_see_is_what_a_quickstart_prints(quickstart_stack: QuickstartStack) -> None:
    (shown,) = blocks(README, "text")
    printed = _words(quickstart_stack.page)
    fixed = re.compile(r"(?:g|  )\.\w+\(|.* \((?:node|edge|link) |\s+(?:airport|key|from|to|on test|this model)\s")
    lines = [line for line in shown.splitlines() if fixed.match(line)]
    assert len(lines) >= 12
    for line in lines:
        assert _words(line) in printed, line


def _words(text: str) -> str:
    """Leave out white space and figures, which differ a little between machines."""
    return re.sub(r"\s+|-?[\d.,]*\d", "", text)


@pytest.mark.quickstart
@pytest.mark.timeout(LONGEST_SECONDS + 200)
def test_the_first_query_is_answered(quickstart_stack: QuickstartStack) -> None:
    answers = submit(quickstart_stack.gremlin_url, blocks(README, "groovy")[0])
    assert len(answers) == 1
    assert re.fullmatch("[A-Z]{2}", answers[0])


def test_the_dsl_is_answered(gremlin_server: GremlinServer, fake_service: FakeService, connect: Connect) -> None:
    (block,) = blocks(README.replace(FROM_NEPTUNE, ""), "python")
    lines, query = block.rstrip("\n").rsplit("\n", 1)
    names = {"g": connect(gremlin_server)}
    london = names["g"].V().has("airport", "code", "LHR").id_().next()
    ranked = [{"value": "UK", "score": 0.75}, {"value": "IE", "score": 0.25}]
    countries = node_endpoint("airport", "country", "String", "Integer", {str(london): ranked})
    fake_service.endpoints["airport-country"] = countries
    exec(lines, names)
    assert eval(query, names) == ["UK", "IE"]


# --- on your own Gremlin Server --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory, server_data_root: Path) -> Iterator[tuple[Shell, str]]:
    """A stock server after step 1, a shell in its folder, and what `neptuneml plugin` said there."""
    folder = tmp_path_factory.mktemp("gremlin-server")
    stock_server.unpack(folder, jars.resolve(jars.SERVER_JARS, server_data_root))
    (command,) = re.findall(r"`(neptuneml plugin [^`]*)`", OWN_SERVER)
    (settings,) = blocks(OWN_SERVER, "yaml")
    with ExitStack() as stack:
        opened = stack.enter_context(shell(folder, folder / "data"))
        said = opened.run(command)
        stock_server.add_settings(folder, yaml.safe_load(opened.on_own_ports(settings)))
        stock_server.add_settings(folder, {"port": opened.gremlin_port})
        stack.enter_context(stock_server.running(folder))
        yield opened, said


def test_the_yaml_is_what_the_plugin_command_prints(own_server: tuple[Shell, str]) -> None:
    opened, said = own_server
    (settings,) = blocks(OWN_SERVER, "yaml")
    assert (opened.folder / "lib" / jars.plugin_jar().name).is_file()
    printed = [line.strip() for line in said.splitlines()]
    lines = [line.strip() for line in opened.on_own_ports(settings).splitlines()]
    start = printed.index(lines[0])
    assert printed[start : start + len(lines)] == lines


def test_your_own_server_predicts_after_these_lines(own_server: tuple[Shell, str]) -> None:
    opened, _ = own_server
    (request,), (query,) = blocks(OWN_SERVER, "json"), blocks(OWN_SERVER, "groovy")
    target = json.loads(request)["additionalParams"]["neptune_ml"]["targets"][0]
    (opened.folder / "request.json").write_text(request)
    for block in blocks(OWN_SERVER, "bash"):
        opened.run(block)
    answers = submit(opened.gremlin_url, query)
    assert [answer.key for answer in answers] == [target["property"]] * 4
    ages = [answer.value for answer in answers]
    assert all(isinstance(age, float) and 0 < age < 100 for age in ages), ages
    assert submit(opened.gremlin_url, "g.V().hasLabel('person').values('age').order()") == [27, 29, 32, 35]


def test_the_ports_of_the_pages_are_the_defaults() -> None:
    assert f"ws://127.0.0.1:{GREMLIN_PORT}/gremlin" in OWN_SERVER
    assert f"http://127.0.0.1:{SERVICE_PORT}" in OWN_SERVER


def submit(url: str, script: str) -> list[Any]:
    """Return the answers to a script, which gremlin-python sends as text."""
    client = Client(url, "g")
    try:
        found: list[Any] = client.submit(script).all().result()
    finally:
        client.close()
    return found
