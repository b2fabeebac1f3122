"""`/gremlin/explain` and `/gremlin/profile`: a traversal's plan, or its times, as text.

The headings are those that Neptune's clients look for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from neptuneml_plugin.errors import FailureByQuery, InvalidParameter
from neptuneml_plugin.service.gateway.answers import Script, ask_all
from neptuneml_plugin.service.gateway.graphson import plain
from neptuneml_plugin.service.gateway.server import Server

_WIDTH = 55
#: Members of a profile's request that boto3 and notebooks send -> their type. What they ask for is Neptune's own.
PROFILE_MEMBERS = {
    "profile.results": bool, "profile.chop": int, "profile.serializer": str, "profile.indexOps": bool,
}  # fmt: skip


async def explain(server: Server, script: Script) -> str:
    """Return what strategies make of a traversal.

    Raises:
        NeptuneMLError: the script failed, or is no traversal.
    """
    found = await _end_with(server, script, "explain()", ("original", "intermediate", "final"))
    return "\n".join([*_explanation(script.text, found), ""])


async def profile(server: Server, script: Script) -> str:
    """Run a traversal, and return what each of its steps took.

    Raises:
        NeptuneMLError: the script failed, or is no traversal.
    """
    found = await _end_with(server, script, "profile()", ("dur", "metrics"))
    return "\n".join([*_profile(script.text, found), ""])


def check_profile(members: Mapping[str, Any]) -> None:
    """Check the members that a profile's request has beside the script; they change nothing.

    Raises:
        InvalidParameter: one is not of its type.
    """
    for name, kind in PROFILE_MEMBERS.items():
        value = members.get(name)
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise InvalidParameter(f"'{name}' must be of type {kind.__name__}, not {value!r}")


async def _end_with(server: Server, script: Script, step: str, members: Sequence[str]) -> Mapping[str, Any]:
    text = script.text.strip().rstrip(";").rstrip()
    results = [plain(result) for result in await ask_all(server, replace(script, text=f"{text}.{step}"))]
    found = results[-1] if results else None
    if not isinstance(found, dict) or not set(members) <= set(found):
        raise FailureByQuery(
            f"the Gremlin Server answered {step} with something else; is the script one traversal?"
        )
    return found


def _explanation(query: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield from _title("Explain")
    yield from _section("Query String", [query.strip()])
    yield from _section("Original Traversal", [_steps(found["original"])])
    strategies = [
        (entry["strategy"], entry["category"], _steps(entry["traversal"])) for entry in found["intermediate"]
    ]
    yield from _section("Strategies", _columns(strategies))
    yield from _section("Optimized Traversal", [_steps(found["final"])])


def _profile(query: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield from _title("Profile")
    yield from _section("Query String", [query.strip()])
    rows = [("Step", "Count", "Traversers", "Time (ms)", "% Dur"), *_metrics(found["metrics"], 0)]
    yield from _section("Traversal Metrics", _columns(rows))
    yield from _section("Runtime (ms)", [f"Query Execution: {found['dur']:.3f}"])


def _title(kind: str) -> Iterator[str]:
    yield "*" * _WIDTH
    yield f"Neptune Gremlin {kind}".center(_WIDTH).rstrip()
    yield "*" * _WIDTH


def _section(heading: str, lines: Sequence[str]) -> Iterator[str]:
    yield from ("", heading, "=" * len(heading), *lines)


def _steps(steps: Sequence[str]) -> str:
    return f"[{', '.join(steps)}]"


def _metrics(metrics: Sequence[Mapping[str, Any]], depth: int) -> Iterator[tuple[str, ...]]:
    for metric in metrics:
        counts, notes = metric.get("counts") or {}, dict(metric.get("annotations") or {})
        share = notes.pop("percentDur", None)
        yield (
            "  " * depth + str(metric["name"]),
            _number(counts.get("elementCount")),
            _number(counts.get("traverserCount")),
            f"{metric['dur']:.3f}",
            "" if share is None else f"{share:.2f}",
        )
        for name, value in notes.items():
            yield ("  " * depth + f"  \\_{name}={value}", "", "", "", "")
        yield from _metrics(metric.get("metrics") or (), depth + 1)


def _number(value: Any) -> str:
    return "" if value is None else str(value)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
