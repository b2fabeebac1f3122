"""What an ensemble is made of, as its maker says it, and as the ensemble's folder keeps it."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from neptuneml_plugin.config import structure
from neptuneml_plugin.errors import InvalidData, InvalidSettings
from neptuneml_plugin.stage import write_json

#: In the folder of an ensemble, which is an artifact: `EnsembleRecord`.
ENSEMBLE = "ensemble.json"
#: `Manifest.model` of an ensemble.
ENSEMBLE_MODEL = "ensemble"


class Combine(StrEnum):
    """What becomes of the members' answers."""

    #: Their weighted mean.
    AVERAGE = "average"
    #: The first member's best candidates of a link, scored again by the weighted mean of the others.
    RESCORE = "rescore"
    #: The first member's candidates of a link, without those that the second, a classifier, gives another class.
    FILTER = "filter"


@dataclass(frozen=True)
class Member:
    """One of the artifacts."""

    artifact: Path
    weight: float = 1.0


@dataclass(frozen=True)
class Clip:
    """Bounds of a regression's answers."""

    least: float = -math.inf
    most: float = math.inf


@dataclass(frozen=True)
class Definition:
    """An ensemble, as its maker says it."""

    members: tuple[Member, ...]
    combine: str = Combine.AVERAGE
    #: `rescore`: how many of the first member's candidates are scored again.
    candidates: int = 100
    #: `filter`: classes of the candidates that stay.
    keep: tuple[Any, ...] = ()
    #: Least probability of an answer; also what a request means by `tuned`.
    threshold: float | None = None
    #: Above 1 the probabilities come nearer to each other, below 1 they part.
    temperature: float = 1.0
    clip: Clip | None = None
    #: Classes that are never answered; the probabilities of the others then sum to 1.
    drop: tuple[Any, ...] = ()
    #: Class -> what it is called.
    rename: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EnsembleRecord:
    """`ensemble.json`: the definition, and which versions of the members it was made of."""

    definition: Definition
    #: Of the members, in their order.
    versions: tuple[str, ...]
    format_version: int = 1


def read_definition(given: Mapping[str, Any], source: str) -> Definition:
    """Read a definition.

    Args:
        given: its members, by the names of `Definition`.
        source: where they come from, for messages.

    Raises:
        InvalidSettings: with every problem found.
    """
    definition = structure(Definition, given, source)
    problems = list(_problems(definition))
    if problems:
        raise InvalidSettings(source, problems)
    return definition


def _problems(definition: Definition) -> Iterator[str]:
    """Yield what is wrong whatever the artifacts are."""
    if definition.combine not in set(Combine):
        yield f"combine: must be one of {', '.join(Combine)}, not '{definition.combine}'"
    yield from _problems_of_members(definition)
    if definition.candidates < 1:
        yield f"candidates: must be at least 1, not {definition.candidates}"
    if definition.threshold is not None and not 0 <= definition.threshold <= 1:
        yield f"threshold: must be a number from 0 to 1, not {definition.threshold}"
    if not 0 < definition.temperature < math.inf:
        yield f"temperature: must be a number above 0, not {definition.temperature}"
    if definition.clip is not None and not definition.clip.least <= definition.clip.most:
        yield f"clip: least ({definition.clip.least}) is above most ({definition.clip.most})"


def _problems_of_members(definition: Definition) -> Iterator[str]:
    if not definition.members:
        yield "members: there are none"
    for at, member in enumerate(definition.members):
        if not 0 < member.weight < math.inf:
            yield f"members[{at}].weight: must be a number above 0, not {member.weight}"
    if definition.combine == Combine.RESCORE and len(definition.members) < 2:
        yield "members: a rescore needs one that finds candidates, and one or more that score them"
    if definition.combine == Combine.FILTER and len(definition.members) != 2:
        yield "members: a filter needs two, one that finds candidates, and one that classifies them"


def write_ensemble(folder: Path, record: EnsembleRecord) -> None:
    """Write `ensemble.json`."""
    document = asdict(record)
    definition = document["definition"]
    definition["members"] = [
        {"artifact": str(member.artifact), "weight": member.weight} for member in record.definition.members
    ]
    if record.definition.clip is not None:  # JSON has no infinity
        definition["clip"] = {side: at for side, at in definition["clip"].items() if math.isfinite(at)}
    write_json(folder / ENSEMBLE, document)


def read_ensemble(folder: Path) -> EnsembleRecord:
    """Read `ensemble.json`.

    Raises:
        InvalidData: missing, not JSON, or of another shape.
    """
    path = folder / ENSEMBLE
    try:
        return structure(EnsembleRecord, json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError, InvalidSettings) as error:
        raise InvalidData(f"{path} does not hold an ensemble: {error}; create it again") from None
