"""The DSL beside the public steps that it stands for, and its docstrings on a real server."""

import doctest
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from gremlin_python.process.anonymous_traversal import traversal
from gremlin_python.process.graph_traversal import GraphTraversalSource
from gremlin_python.process.graph_traversal import __ as plain
from gremlin_python.process.strategies import OptionsStrategy, ReadOnlyStrategy
from gremlin_python.process.translator import Translator
from gremlin_python.process.traversal import P, TraversalStrategies
from gremlin_python.structure.graph import Graph

import gremlin_steps
from gremlin_steps import dsl
from gremlin_steps.dsl import MLTraversalSource, __, ml_source
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.testing import FakeService
from tests.library import library
from tests.readme import ROOT
from tests.servers import Connect

CLASS, REGRESSION, LINK = "Neptune#ml.classification", "Neptune#ml.regression", "Neptune#ml.prediction"
SCORE, LIMIT, THRESHOLD = "Neptune#ml.score", "Neptune#ml.limit", "Neptune#ml.threshold"
ENDPOINT, INDUCTIVE = "Neptune#ml.endpoint", "Neptune#ml.inductiveInference"
DETERMINISTIC = "Neptune#ml.deterministic"
OFF = False


def empty() -> GraphTraversalSource:
    return GraphTraversalSource(Graph(), TraversalStrategies())


ml: MLTraversalSource = ml_source(empty())
g: Any = empty()

#: Name -> what is written with the DSL, and with public steps.
STEPS: dict[str, tuple[Any, Any]] = {
    "classify": (ml.V(1).classify("genre"), g.V(1).properties("genre").with_(CLASS)),
    "classify with options": (
        ml.V(1).classify("genre", endpoint="e", limit=3, threshold=0.5).value(),
        g.V(1).properties("genre").with_(CLASS).with_(ENDPOINT, "e").with_(LIMIT, 3).with_(THRESHOLD, 0.5).value(),
    ),
    "the tuned threshold": (
        ml.V().classify("genre", threshold="tuned"),
        g.V().properties("genre").with_(CLASS).with_(THRESHOLD, "tuned"),
    ),
    "classify in two rows": (
        ml.V(1).classify("genre", score=True),
        g.V(1).properties("genre", SCORE).with_(CLASS),
    ),
    "score under a label": (
        ml.V(1).classify("genre", limit=2).score().as_("p").select("p", "score"),
        g.V(1).properties("genre").with_(CLASS).with_(LIMIT, 2).with_(SCORE, "score").as_("p")
        .select("p", "score"),
    ),
    "regress": (
        ml.V(1).regress("age").value().is_(P.gte(3)),
        g.V(1).properties("age").with_(REGRESSION).value().is_(P.gte(3)),
    ),
    "regress at an endpoint": (
        ml.E("l1").regress("days", endpoint="d"),
        g.E("l1").properties("days").with_(REGRESSION).with_(ENDPOINT, "d"),
    ),
    "predict_out": (
        ml.V(1).predict_out("rated", "movie").out("directed"),
        g.V(1).out("rated").with_(LINK).has_label("movie").out("directed"),
    ),
    "predict_in with options": (
        ml.V(1).predict_in("rated", "user", limit=5, filter_existing_edges=True, filter_before_limit=True),
        g.V(1).in_("rated").with_(LINK).with_(LIMIT, 5).with_("Neptune#ml.filterExistingEdges")
        .with_("Neptune#ml.filterBeforeLimit").has_label("user"),
    ),
    "an option that is off": (
        ml.V(1).predict_out("rated", "movie", filter_existing_edges=False),
        g.V(1).out("rated").with_(LINK).with_("Neptune#ml.filterExistingEdges", OFF).has_label("movie"),
    ),
    "marks of a link prediction stand before its label": (
        ml.V(1).predict_out("rated", "movie").score("s").inductive().as_("m"),
        g.V(1).out("rated").with_(LINK).with_(SCORE, "s").with_(INDUCTIVE).has_label("movie").as_("m"),
    ),
    "marks reach back over ordinary steps": (
        ml.V(1).predict_out("rated", "movie").has("year", 1999).as_("m").score("s"),
        g.V(1).out("rated").with_(LINK).with_(SCORE, "s").has_label("movie").has("year", 1999).as_("m"),
    ),
    "marks belong to the last ML step": (
        ml.V(1).predict_out("rated", "movie").classify("genre").inductive(deterministic=True).value(),
        g.V(1).out("rated").with_(LINK).has_label("movie").properties("genre").with_(CLASS).with_(INDUCTIVE)
        .with_(DETERMINISTIC).value(),
    ),
    "marks on public steps": (
        ml.V(1).properties("genre").with_(CLASS).value_map("x").with_("~tinkerpop.valueMap.tokens").inductive(),
        g.V(1).properties("genre").with_(CLASS).with_(INDUCTIVE).value_map("x").with_("~tinkerpop.valueMap.tokens"),
    ),
    "nested": (
        ml.V().project("c", "a").by(__.classify("genre", limit=2).value()).by(__.regress("age", endpoint="a"))
        .where(__.predict_out("rated", "movie").has_id(4)).where(__.out().predict_in("rated", "user")),
        g.V().project("c", "a").by(plain.properties("genre").with_(CLASS).with_(LIMIT, 2).value())
        .by(plain.properties("age").with_(REGRESSION).with_(ENDPOINT, "a"))
        .where(plain.out("rated").with_(LINK).has_label("movie").has_id(4))
        .where(plain.out().in_("rated").with_(LINK).has_label("user")),
    ),
    "start and clone": (
        ml.V().classify("genre").clone().map(__.start().value()).clone().inductive(),
        g.V().properties("genre").with_(CLASS).with_(INDUCTIVE).map(plain.value()),
    ),
    "a source": (
        ml_source(empty(), "e", limit=2, threshold=0.5, inductive=True, deterministic=True).V(),
        g.with_strategies(OptionsStrategy(**{
            ENDPOINT: "e", LIMIT: 2, THRESHOLD: 0.5, INDUCTIVE: True, DETERMINISTIC: True
        })).V(),
    ),
    "a source of a source": (
        ml_source(ml_source(empty(), "a", limit=2), "b", fresh_metadata=True).with_("evaluationTimeout", 5).V(),
        g.with_strategies(OptionsStrategy(**{
            ENDPOINT: "b", LIMIT: 2, "Neptune#ml.disableInductiveInferenceMetadataCache": True,
            "evaluationTimeout": 5,
        })).V(),
    ),
    "a flag on a source": (
        ml.with_(INDUCTIVE).V(), g.with_strategies(OptionsStrategy(**{INDUCTIVE: True})).V()
    ),
    "a source with strategies": (
        ml_source(g.with_strategies(ReadOnlyStrategy()).with_side_effect("x", 1), "e").V(),
        g.with_strategies(ReadOnlyStrategy()).with_side_effect("x", 1)
        .with_strategies(OptionsStrategy(**{ENDPOINT: "e"})).V(),
    ),
}  # fmt: skip


def printed(written: Any) -> str:
    text: str = Translator().of("g").translate(written.bytecode)
    return text


@pytest.mark.parametrize("name", STEPS)
def test_it_only_writes_public_steps(name: str) -> None:
    ours, public = STEPS[name]
    assert printed(ours) == printed(public)
    assert ours.bytecode == public.bytecode  # types of arguments too, which the text does not always show


def test_every_step_and_option_has_a_row() -> None:
    written = "\n".join(printed(ours) for ours, _ in STEPS.values())
    names = {value for name, value in vars(gremlin_steps).items() if name.isupper()}
    assert {name for name in names if name not in written} == {"Neptune#ml.iamRoleArn"}  # which nothing needs


def test_the_names_are_those_of_the_plugin() -> None:
    constants = "gremlin_steps/jvm/src/main/java/io/github/neptuneml/gremlin/NeptuneML.java"
    source = (ROOT / constants).read_text(encoding="utf-8")
    for name, value in vars(gremlin_steps).items():
        if name.isupper():
            assert f'{name} = PREFIX + "{value.removeprefix("Neptune#ml.")}"' in " ".join(source.split())


@pytest.mark.parametrize("mark", ["score", "inductive"])
def test_a_mark_without_ml_step_is_refused(mark: str) -> None:
    with pytest.raises(InvalidParameter, match="has no ML step before it: it follows classify"):
        getattr(ml.V().properties("genre").with_("x"), mark)()


def test_a_misspelt_option_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"'treshold' of an ML step \(did you mean 'threshold'"):
        ml.V().classify("genre", treshold=0.5)  # type: ignore[call-arg]


def test_no_source_changes_another() -> None:
    source: Any = empty().with_("evaluationTimeout", 1000)
    before = printed(source.V())
    first = ml_source(source, "a")
    second, third = first.with_(ENDPOINT, "b"), ml_source(first, "c", limit=9)
    assert printed(source.V()) == before
    assert [ENDPOINT in printed(s.V()) for s in (source, first, second, third)] == [False, True, True, True]
    assert [printed(s.V()).partition(f"{ENDPOINT}:")[2][:3] for s in (first, second, third)] == [
        "'a'",
        "'b'",
        "'c'",
    ]


def test_importing_the_names_needs_nothing_else() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import gremlin_steps, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert not {"gremlin_python", "aiohttp", "torch"} & set(loaded)


# --- on a real server ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def graph(gremlin_server_any_ids: GremlinServer, fake_service: FakeService) -> Iterator[None]:
    with library(gremlin_server_any_ids, fake_service):
        yield


def test_the_docstrings_are_answered(gremlin_server_any_ids: GremlinServer, connect: Connect) -> None:
    g = connect(gremlin_server_any_ids)
    names = {"g": g, "g_ml": ml_source(g), "ml_source": ml_source, "__": __}
    names |= {"books": ml_source(g, "genre"), "loans": ml_source(g, "loans")}
    found = [test for test in doctest.DocTestFinder().find(dsl, globs=names) if test.examples]
    assert len(found) >= 6
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    for test in found:
        runner.run(test, out=report.append)
    assert not runner.summarize(verbose=False).failed, "".join(report)


def test_a_source_of_the_class_itself(gremlin_server_any_ids: GremlinServer, connect: Connect) -> None:
    remote = connect(gremlin_server_any_ids).remote_connection
    source = traversal(MLTraversalSource).with_(remote).with_(ENDPOINT, "genre")
    assert source.V("b1").classify("genre").value().to_list() == ["poetry"]
    assert source.V("b1").classify("genre").value().next() == "poetry"


def test_the_servers_options_reach_it_from_one_source_after_the_other(
    gremlin_server_any_ids: GremlinServer, connect: Connect
) -> None:
    g = connect(gremlin_server_any_ids).with_("evaluationTimeout", 20_000)
    genres, prices = ml_source(g, "genre"), ml_source(g, "price")
    assert genres.V("b2").classify("genre").value().to_list() == ["essay"]
    assert prices.V("b2").regress("price").value().to_list() == [9.5]
    assert genres.V("b2").classify("genre").value().to_list() == ["essay"]


def test_public_steps_and_the_dsl_get_the_same_answers(
    gremlin_server_any_ids: GremlinServer, connect: Connect
) -> None:
    g = connect(gremlin_server_any_ids)
    ours = ml_source(g, "loans", limit=2).V("r1").predict_out("borrowed", "book").score("s").select("s")
    public = g.with_(ENDPOINT, "loans").with_(LIMIT, 2).V("r1").out("borrowed").with_(LINK).with_(SCORE, "s")
    assert ours.to_list() == public.has_label("book").select("s").to_list() == [0.875, 0.5]
