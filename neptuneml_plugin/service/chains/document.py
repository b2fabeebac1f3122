"""A chain's document made whole, with inputs, folders and ids; and what is wrong with it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from neptuneml_plugin.errors import InvalidSettings, NeptuneMLError
from neptuneml_plugin.service.chains.record import Part
from neptuneml_plugin.service.endpoints.record import check_id
from neptuneml_plugin.service.endpoints.registry import Registry
from neptuneml_plugin.service.jobs.plans import Planner
from neptuneml_plugin.service.jobs.record import JobKind
from neptuneml_plugin.service.wire.endpoints import MEMBERS as ENDPOINT_MEMBERS
from neptuneml_plugin.service.wire.endpoints import SOURCES
from neptuneml_plugin.service.wire.members import is_absent, parse_flag
from neptuneml_plugin.service.wire.requests import MEMBERS, Member, Shape, parse_members

Body = Mapping[str, Any]
Bodies = Mapping[Part, Body]

#: Members that say where a part writes.
OUTPUTS: Mapping[Part, str] = {
    Part.EXPORT: "outputS3Path",
    Part.DATA_PROCESSING: "processedDataS3Location",
    Part.TRAINING: "trainModelS3Location",
    Part.TRANSFORM: "modelTransformOutputS3Location",
}
#: The member that the export's own output fills.
INPUT = "inputDataS3Location"
#: Members that name a job, and of which kind.
REFERENCES: Mapping[str, JobKind] = {
    "dataProcessingJobId": JobKind.DATA_PROCESSING,
    "previousDataProcessingJobId": JobKind.DATA_PROCESSING,
    "mlModelTrainingJobId": JobKind.MODEL_TRAINING,
    "previousModelTrainingJobId": JobKind.MODEL_TRAINING,
    "mlModelTransformJobId": JobKind.MODEL_TRANSFORM,
}
_EXPORT_MEMBERS = (Member("id", Shape.TEXT, ""), Member(OUTPUTS[Part.EXPORT], Shape.TEXT, ""))


def complete(chain_id: str, given: Bodies, folder: str) -> dict[Part, dict[str, Any]]:
    """Return the bodies of the given parts, with what was left out.

    Args:
        chain_id: what ids begin with that were not given.
        given: the parts as the client wrote them.
        folder: where outputs go that have no other place.
    """
    bodies: dict[Part, dict[str, Any]] = {}
    for part in Part:
        if part in given:
            body = {name: value for name, value in given[part].items() if not is_absent(value)}
            body.setdefault("id", f"{chain_id}-{part}")
            if part in OUTPUTS:
                body.setdefault(OUTPUTS[part], f"{folder}/{part}")
            bodies[part] = _inputs(part, body, bodies) | body
    return bodies


def _inputs(part: Part, body: Body, before: Bodies) -> dict[str, Any]:
    """Return what names the outputs of earlier parts, where the body names no other."""

    def named(member: str, earlier: Part) -> dict[str, Any]:
        return {member: before[earlier]["id"]} if earlier in before else {}

    processed = named("dataProcessingJobId", Part.DATA_PROCESSING)
    trained = named("mlModelTrainingJobId", Part.TRAINING)
    if part is Part.TRAINING:
        return processed
    if part is Part.TRANSFORM:
        return processed if "trainingJobName" in body else processed | trained
    if part is Part.ENDPOINT and not body.keys() & SOURCES.keys():
        return named("mlModelTransformJobId", Part.TRANSFORM) or trained
    return {}


@dataclass(frozen=True)
class Checker:
    """Finds what is wrong with a chain before any of it runs."""

    planner: Planner
    registry: Registry

    def check(self, bodies: Bodies) -> None:
        """Refuse a chain with problems.

        Raises:
            InvalidSettings: with all of them.
        """
        problems = [
            f"{part}: {problem}" for part, body in bodies.items() for problem in self._problems(part, body, bodies)
        ]
        if problems:
            raise InvalidSettings("chain", problems)

    def _problems(self, part: Part, body: Body, bodies: Bodies) -> Iterator[str]:
        wrong = [*_misshapen(part, body), *_gaps(part, body, bodies)]
        if wrong:
            yield from wrong
            return
        yield from _told(check_id, body["id"])
        yield from self._used(part, body)
        if part.kind is not None and part is next(iter(bodies)):
            yield from _told(self.planner.record, part.kind, body)
        else:
            yield from self._unplanned(part, body, bodies)

    def _used(self, part: Part, body: Body) -> Iterator[str]:
        """Yield whether something bears the id already, or whether nothing does that is to be updated."""
        if part.kind is not None:
            if any(record.id == body["id"] for record in self.planner.jobs.all(part.kind)):
                yield f"id '{body['id']}' is already in use by a job; choose another"
            return
        is_there = any(record.id == body["id"] for record in self.registry.records())
        updates = parse_flag(body.get("update"), "update")
        if is_there and not updates:
            yield f"id '{body['id']}' is already in use; \"update\": true gives that endpoint a new version"
        if updates and not is_there:
            yield f"id '{body['id']}' names no endpoint; leave out \"update\" to make one"

    def _unplanned(self, part: Part, body: Body, bodies: Bodies) -> Iterator[str]:
        """Yield what can be said of a part that builds on what is not there yet."""
        own = {(earlier.kind, earlier_body["id"]) for earlier, earlier_body in bodies.items()}
        for member, kind in REFERENCES.items():
            if member in body and (kind, body[member]) not in own:
                yield from _told(self.planner.completed, kind, body[member])
        if part in OUTPUTS:
            yield from _told(self.planner.output, body[OUTPUTS[part]])


def _misshapen(part: Part, body: Body) -> Iterator[str]:
    """Yield the members that have not their shape."""
    of_jobs = _EXPORT_MEMBERS if part.kind is None or part.kind not in MEMBERS else MEMBERS[part.kind]
    for member in ENDPOINT_MEMBERS if part is Part.ENDPOINT else of_jobs:
        yield from _told(parse_members, body, (replace(member, required=False),))


def _gaps(part: Part, body: Body, bodies: Bodies) -> Iterator[str]:
    """Yield the inputs that neither the part names nor one before it makes."""
    needed: dict[str, Part] = {}
    if part is Part.DATA_PROCESSING and Part.EXPORT not in bodies:
        needed = {INPUT: Part.EXPORT}
    if part is Part.TRAINING or (part is Part.TRANSFORM and "trainingJobName" not in body):
        needed = {"dataProcessingJobId": Part.DATA_PROCESSING}
    if part is Part.TRANSFORM and "trainingJobName" not in body:
        needed |= {"mlModelTrainingJobId": Part.TRAINING}
    for member, earlier in needed.items():
        if member not in body:
            yield f"{member} is missing; give it, or a part '{earlier}' before this one"
    named = [member for member in SOURCES if member in body]
    if part is Part.ENDPOINT and not named:
        yield f"nothing names the artifact; give {', '.join(SOURCES)}, or a part '{Part.TRAINING}' before this one"
    if part is Part.ENDPOINT and len(named) > 1:
        yield f"{' and '.join(named)} both name the artifact; give one"


def _told(call: Callable[..., Any], *arguments: Any) -> Iterator[str]:
    """Yield what a call refuses."""
    try:
        call(*arguments)
    except NeptuneMLError as error:
        yield str(error)
