"""`/ml/chains` on the wire: the document of a chain, and the states of its parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.errors import InvalidSettings, NeptuneMLError, nearest
from neptuneml_plugin.learn import read_lesson
from neptuneml_plugin.service.chains.record import ChainRecord, Part, new_chain_id
from neptuneml_plugin.service.endpoints.record import EndpointRecord, check_id
from neptuneml_plugin.service.jobs.record import JobRecord, JobState
from neptuneml_plugin.service.wire.jobs import Report, render_own, wire_status
from neptuneml_plugin.service.wire.members import arn, text_of

#: Members of a chain's document beside its parts, and what they hold.
MEMBERS: Mapping[str, str] = {
    "id": "The chain's id; generated where absent.",
    "query": "A Gremlin query with a prediction, from which the parts are derived; parts that are given win.",
}
#: What a chain's status shows of a job's own.
_SHOWN = (
    "queued",
    "startTimeInMillis",
    "endTimeInMillis",
    "failureReason",
    "progress",
    "metrics",
    "baselines",
    "warnings",
    "reportLocation",
)


@dataclass(frozen=True)
class ChainRequest:
    """`POST /ml/chains`."""

    id: str
    #: The parts that were given, as they were given, over those of the query.
    parts: Mapping[Part, Mapping[str, Any]]
    query: str | None = None


def parse_chain(given: Mapping[str, Any]) -> ChainRequest:
    """Read the document of a chain; unlike Neptune's own requests it may hold nothing unknown.

    Raises:
        InvalidSettings: with all problems.
    """
    known = {*MEMBERS, *Part}
    problems = [f"{name[:60]}: unknown part{nearest(name[:60], known)}" for name in given if name not in known]
    parts = {part: given[part] for part in Part if given.get(part) is not None}
    problems += [f"{part}: must be an object" for part, body in parts.items() if not isinstance(body, dict)]
    chain_id, query, derived = new_chain_id(), None, {}
    try:
        chain_id = check_id(text_of(given, "id") or chain_id)
    except NeptuneMLError as error:
        problems.append(f"id: {error}")
    try:
        query = text_of(given, "query")
        derived = {} if query is None else read_lesson(query).chain()
    except NeptuneMLError as error:
        problems.append(f"query: {error}")
    else:
        if not (parts or derived):
            problems.append(f"has no part; give a query, or at least one of {', '.join(Part)}")
    if problems:
        raise InvalidSettings("chain", problems)
    merged = {part: {**derived.get(part, {}), **parts.get(part, {})} for part in Part if part in derived | parts}
    return ChainRequest(chain_id, merged, query)


def render_chain_started(record: ChainRecord) -> dict[str, Any]:
    """Answer a start."""
    return {
        "id": record.id,
        "arn": arn("chain", record.id),
        "creationTimeInMillis": record.created_at_millis,
        "parts": [{"part": part.value, "id": body["id"]} for part, body in record.parts.items()],
    }


def render_chain(
    record: ChainRecord, jobs: Mapping[Part, tuple[JobRecord, Report]], endpoint: EndpointRecord | None
) -> dict[str, Any]:
    """Answer `GET /ml/chains/{id}`.

    Args:
        record: the chain.
        jobs: the jobs that are there, of its parts.
        endpoint: its endpoint, if that is there.
    """
    parts = [_render_part(record, part, jobs.get(part), endpoint) for part in record.parts]
    document: dict[str, Any] = {"id": record.id, "status": record.state.value}
    document["creationTimeInMillis"] = record.created_at_millis
    if record.query is not None:
        document["query"] = record.query
    if record.ended_at_millis is not None:
        document["endTimeInMillis"] = record.ended_at_millis
    if record.failure_reason is not None:
        document["failureReason"] = record.failure_reason
    return document | {"progress": _progress(parts), "parts": parts}


def _render_part(
    record: ChainRecord, part: Part, job: tuple[JobRecord, Report] | None, endpoint: EndpointRecord | None
) -> dict[str, Any]:
    part_id = record.parts[part]["id"]
    shown: dict[str, Any] = {"part": part.value, "id": part_id, "status": _status(record, part, job, endpoint)}
    if part not in record.begun:
        return shown
    shown["path"] = part_path(part, part_id)
    if job is not None:
        own = render_own(*job)
        shown |= {"outputLocation": job[0].plan.location} | {name: own[name] for name in _SHOWN if name in own}
    if part is Part.ENDPOINT and endpoint is not None:
        shown |= {"outputLocation": endpoint.location, "version": endpoint.version}
        if endpoint.failure_reason is not None:
            shown["failureReason"] = endpoint.failure_reason
    return shown


def _status(
    record: ChainRecord, part: Part, job: tuple[JobRecord, Report] | None, endpoint: EndpointRecord | None
) -> str:
    if part in record.ended:
        return record.ended[part].value
    if part not in record.begun:
        return "NotRun" if record.state.is_final else "Waiting"
    if part is Part.ENDPOINT and endpoint is not None:
        return endpoint.status.value
    return wire_status(JobState.QUEUED if job is None else job[0].state)


def part_path(part: Part, part_id: str) -> str:
    """Return where a part's own status is."""
    if part is Part.EXPORT:
        return f"/neptune-export/{part_id}"
    return f"/ml/{part.kind or 'endpoints'}/{part_id}"


def _progress(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the part that runs and the share that is done, counting each part alike."""
    done = sum(part["status"] == JobState.COMPLETED for part in parts)
    current = next((part for part in parts if part["status"] != JobState.COMPLETED), None)
    if current is None:
        return {"stage": "done", "fraction": 1.0}
    within = current.get("progress", {}).get("fraction", 0.0)
    return {"stage": current["part"], "fraction": round((done + within) / len(parts), 3)}
