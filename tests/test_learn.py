"""From the text of a query to a chain: golden cases, and any text at all.

`tests/golden/learn/*.json`, one case each: a `query`, and the `chain` and the query as it is `asked` of its
endpoint, or the text with which it is `refused`.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.export.request.request import read_request
from neptuneml_plugin.learn import CLASSIFICATION, PREDICTION, REGRESSION, Target, read_lesson
from neptuneml_plugin.querytext import DEEPEST, LONGEST, Step, camel, parse_query, quoted, render_query
from neptuneml_plugin.service.chains.document import complete
from neptuneml_plugin.service.wire.chains import parse_chain

CASES = sorted((Path(__file__).parent / "golden" / "learn").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    case: dict[str, Any] = json.loads(path.read_text())
    if "refused" in case:
        with pytest.raises(InvalidParameter) as caught:
            read_lesson(case["query"])
        assert str(caught.value) == case["refused"]
        return
    lesson = read_lesson(case["query"])
    chain = lesson.chain()
    assert chain == case["chain"]
    asked = lesson.asked_of(chain["endpoint"]["id"])
    assert asked == case["asked"]
    assert read_lesson(asked).target == lesson.target
    assert read_lesson(asked).endpoint == chain["endpoint"]["id"]


def test_there_are_cases_of_every_task_and_refusal() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_services_own_readers_take_every_chain(path: Path) -> None:
    case = json.loads(path.read_text())
    if "chain" not in case:
        assert case["refused"]
        return
    read_request(ExportConfig("ws://unused", request=case["chain"]["export"]))
    asked = parse_chain({"id": "c", **case["chain"]})
    assert complete(asked.id, asked.parts, "/c").keys() == set(asked.parts)


LABELS = st.text(min_size=1, max_size=12)
KEYS = LABELS.filter(lambda key: not key.startswith("Neptune#ml."))


@given(
    LABELS,
    KEYS,
    st.sampled_from([CLASSIFICATION, REGRESSION]),
    st.sampled_from("VE"),
    st.sampled_from([("hasLabel", "with"), ("has_label", "with_")]),
)
def test_any_label_and_key_are_found_again(
    label: str, key: str, predicate: str, start: str, spelling: tuple[str, str]
) -> None:
    (has, with_), on_edges = spelling, start == "E"
    query = f"g.{start}().{has}({quoted(label)}).values({quoted(key)}).{with_}('{predicate}').limit(2)"
    lesson = read_lesson(query)
    assert lesson.target == Target(predicate, label, key, on_edges=on_edges)
    assert read_lesson(lesson.asked_of("e")).target == lesson.target


@given(LABELS, LABELS, st.none() | LABELS, st.sampled_from(["in", "out"]))
def test_any_link_is_found_again(label: str, end: str, start: str | None, step: str) -> None:
    begin = "" if start is None else f".hasLabel({quoted(start)})"
    query = f"g.V(1L){begin}.{step}({quoted(label)}).with('{PREDICTION}').hasLabel({quoted(end)})"
    source, target = (end, start) if step == "in" else (start, end)
    lesson = read_lesson(query)
    assert lesson.target == Target(PREDICTION, label, on_edges=True, source=source, target=target)
    asked = lesson.asked_of("e")
    assert read_lesson(asked).target == lesson.target
    assert f".{step}().with({quoted(PREDICTION)},{quoted(label)})" in asked  # gremlin-lang's form (decision 28)


@given(st.text(alphabet=st.sampled_from("gV().,:[]\"'\\ab1_-N#with\n "), max_size=40) | st.text(max_size=40))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    for query in (text, f"g.{text}", f"g.V().{text}"):
        with contextlib.suppress(InvalidParameter):
            parse_query(query)
            again = render_query(query, {})
            assert parse_query(again) == parse_query(query)
            assert render_query(again, {}) == again
        with contextlib.suppress(InvalidParameter):
            read_lesson(query).chain()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('g.V().out("x").out("y").with("o").in("z")', 'g.V().out("x").out().with("o","y").in("z")'),
        ('g.V().where(__.in_("x").with_("o"))', 'g.V().where(__.in().with("o","x"))'),
        ('g.V().out("x").with("o", "y")', 'g.V().out("x").with("o","y")'),
        ('g.V().out("x", "y").with("o")', 'g.V().out("x","y").with("o")'),
        ('g.V().out("x").with("p").with("o")', 'g.V().out().with("p").with("o","x")'),
        ('g.V().out("x").with("p", f(1)).with("o")', 'g.V().out("x").with("p",f(1)).with("o")'),
        ('g.V().both("x").with("o")', 'g.V().both("x").with("o")'),
        (r'g.V().has("a.out(", ").with(\"o\")")', r'g.V().has("a.out(",").with(\"o\")")'),
    ],
)
def test_only_labels_of_links_move_into_their_option(written: str, expected: str) -> None:
    assert render_query(written, {}, "o") == expected


STEPS: st.SearchStrategy[tuple[Step, ...]] = st.deferred(lambda: st.lists(STEP, min_size=1, max_size=3).map(tuple))
STEP: st.SearchStrategy[Step] = st.builds(
    Step,
    st.sampled_from(["V", "out", "in", "values", "where", "by", "hasLabel", "is"]),
    st.lists(st.text(max_size=5) | STEPS, max_size=2).map(tuple),
)


def written(steps: tuple[Step, ...]) -> str:
    return ".".join(
        f"{step.name}({', '.join(quoted(a) if isinstance(a, str) else written(a or ()) for a in step.arguments)})"
        for step in steps
    )


@given(STEPS)
def test_what_is_written_is_read(steps: tuple[Step, ...]) -> None:
    assert parse_query(f"g.{written(steps)}") == steps


def test_bounds() -> None:
    with pytest.raises(InvalidParameter, match=f"at most {LONGEST}"):
        parse_query("g." + "V()" * LONGEST)
    with pytest.raises(InvalidParameter, match=f"more than {DEEPEST} deep"):
        parse_query("g." + "where(" * (DEEPEST + 1) + ")" * (DEEPEST + 1))


@pytest.mark.parametrize(
    ("python", "groovy"), [("has_label", "hasLabel"), ("in_", "in"), ("__", "__"), ("outE", "outE"), ("id_", "id")]
)
def test_python_spells_steps_its_own_way(python: str, groovy: str) -> None:
    assert camel(python) == groovy


def test_trials_and_names_are_passed_on() -> None:
    lesson = read_lesson(f'g.V().hasLabel("movie").values("genre").with("{CLASSIFICATION}")')
    chain = lesson.chain("films", 5)
    assert chain["training"] == {"maxHPONumberOfTrainingJobs": 5}
    assert chain["endpoint"] == {"id": "films"}
    assert Target(CLASSIFICATION, "ö", "ü").name is None
    assert Target(PREDICTION, "rated by", on_edges=True, source="a").name == "rated-by-a"
