"""Members of the requests that start jobs: names, shapes, and what they do here (specification, appendix A).

One table reads requests, refuses what has the wrong shape, and describes the API.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from neptuneml_plugin.artifacts import CUSTOM, KGE, KGE_MODELS, RGCN
from neptuneml_plugin.errors import InvalidParameter, MissingParameter
from neptuneml_plugin.service.jobs.record import JobKind
from neptuneml_plugin.service.wire.members import is_absent, parse_flag, text_of

#: What clients send as a job's time limit where nobody gave one, seconds.
DEFAULT_TIMEOUT_SECONDS = 86400
#: Beyond every number that a request can mean.
LARGEST_COUNT = 999_999_999
HOP_PATTERN = re.compile(r"0{0,8}[1-9][0-9]{0,8}", re.ASCII)
INSTANCE_PATTERN = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+", re.ASCII)


class Shape(StrEnum):
    """What a member may hold."""

    TEXT = "text"
    #: A whole number from 0, or a text of digits.
    COUNT = "count"
    #: true, false, or a text of these.
    FLAG = "flag"
    #: A list of texts.
    TEXTS = "texts"
    #: `ml.<family>.<size>`.
    INSTANCE = "instance"
    #: `arn:…`.
    ARN = "arn"
    #: A list of whole numbers from 1, one per hop, or a text such as `10,10`.
    HOPS = "hops"
    #: An object of texts.
    OBJECT = "object"
    #: An object of anything.
    DOCUMENT = "document"


@dataclass(frozen=True)
class Member:
    """One member of a body."""

    name: str
    shape: Shape
    #: What it does; `RECORDED` or `ACCEPTED` where it changes nothing here.
    meaning: str
    required: bool = False
    #: The texts that are allowed; empty: any.
    choices: tuple[str, ...] = ()
    #: An older name that clients still send.
    alias: str | None = None


MODEL_TYPES = ("heterogeneous", "kge")
MODEL_NAMES = (RGCN, KGE, *KGE_MODELS, CUSTOM)
RECORDED = "Recorded; changes nothing here."
ACCEPTED = "Accepted; changes nothing here."
_COMMON = (
    Member("id", Shape.TEXT, "The job's id; generated where absent."),
    Member("sagemakerIamRoleArn", Shape.ARN, RECORDED),
    Member("neptuneIamRoleArn", Shape.ARN, RECORDED),
    Member("subnets", Shape.TEXTS, RECORDED),
    Member("securityGroupIds", Shape.TEXTS, RECORDED),
    Member("volumeEncryptionKMSKey", Shape.TEXT, RECORDED),
    Member("s3OutputEncryptionKMSKey", Shape.TEXT, RECORDED),
    Member("enableInterContainerTrafficEncryption", Shape.FLAG, RECORDED),
)

MEMBERS: Mapping[JobKind, tuple[Member, ...]] = {
    JobKind.DATA_PROCESSING: (
        *_COMMON,
        Member("inputDataS3Location", Shape.TEXT, "The export's folder.", required=True),
        Member("processedDataS3Location", Shape.TEXT, "Folder for outputs.", required=True),
        Member("previousDataProcessingJobId", Shape.TEXT, "A completed job whose encoders and splits go on."),
        Member("configFileName", Shape.TEXT, "Training-data configuration inside the export's folder."),
        Member("modelType", Shape.TEXT, "By the data where absent.", choices=MODEL_TYPES),
        Member("processingTimeOutInSeconds", Shape.COUNT, "The job fails when it takes longer."),
        Member("processingInstanceType", Shape.INSTANCE, RECORDED),
        Member("processingInstanceVolumeSizeInGB", Shape.COUNT, RECORDED),
    ),
    JobKind.MODEL_TRAINING: (
        *_COMMON,
        Member("dataProcessingJobId", Shape.TEXT, "A completed data-processing job.", required=True),
        Member("trainModelS3Location", Shape.TEXT, "Folder for outputs.", required=True),
        Member("previousModelTrainingJobId", Shape.TEXT, "A completed job whose search and weights go on."),
        Member("modelName", Shape.TEXT, "The model; that of the data where absent.", choices=MODEL_NAMES),
        Member("maxHPONumberOfTrainingJobs", Shape.COUNT, "Trials; 2 where absent."),
        Member("maxHPOParallelTrainingJobs", Shape.COUNT, "Trials at the same time; 2 where absent."),
        Member("trainingTimeOutInSeconds", Shape.COUNT, "The job fails when it takes longer."),
        Member(
            "customModelTrainingParameters",
            Shape.OBJECT,
            "Scripts of one's own, where the service allows.",
            alias="customModelParameters",
        ),
        Member("baseProcessingInstanceType", Shape.INSTANCE, RECORDED),
        Member("trainingInstanceType", Shape.INSTANCE, RECORDED),
        Member("trainingInstanceVolumeSizeInGB", Shape.COUNT, RECORDED),
        Member("enableManagedSpotTraining", Shape.FLAG, RECORDED),
        Member("maxWaitTime", Shape.COUNT, RECORDED),
    ),
    JobKind.MODEL_TRANSFORM: (
        *_COMMON,
        Member("modelTransformOutputS3Location", Shape.TEXT, "Folder for outputs.", required=True),
        Member("dataProcessingJobId", Shape.TEXT, "The graph: a completed data-processing job."),
        Member("mlModelTrainingJobId", Shape.TEXT, "The model: a completed training job."),
        Member("trainingJobName", Shape.TEXT, "The model: a trial, by its name in the status of its training."),
        Member(
            "customModelTransformParameters",
            Shape.OBJECT,
            "Scripts in place of those it was trained with.",
            alias="customModelParameters",
        ),
        Member("baseProcessingInstanceType", Shape.INSTANCE, RECORDED),
        Member("baseProcessingInstanceVolumeSizeInGB", Shape.COUNT, RECORDED),
    ),
}


def without_effect(given: Mapping[str, Any], members: tuple[Member, ...]) -> dict[str, Any]:
    """Return the members that were given and change nothing here, as a status shows them."""
    return {
        member.name: given[member.name]
        for member in members
        if member.meaning == RECORDED and member.name in given
    }


def parse_members(given: Mapping[str, Any], members: tuple[Member, ...]) -> dict[str, Any]:
    """Return the members that are given, each in its shape; unknown ones are left out.

    Raises:
        MissingParameter: a required one is absent or empty.
        InvalidParameter: one has the wrong shape.
    """
    found = {member.name: _read(given, member) for member in members}
    missing = [member for member in members if member.required and found[member.name] is None]
    if missing:
        names = ", ".join(f"{member.name} ({member.meaning.rstrip('.')})" for member in missing)
        raise MissingParameter(f"the request lacks {names}")
    return {name: value for name, value in found.items() if value is not None}


def _read(given: Mapping[str, Any], member: Member) -> Any:
    names = (member.name, member.alias) if member.alias else (member.name,)
    name = next((name for name in names if not is_absent(given.get(name))), None)
    if name is None:
        return None
    value = _READERS[member.shape](given, name)
    if member.choices and value not in member.choices:
        raise InvalidParameter(f"{name} is {str(value)[:60]!r}; it must be one of {', '.join(member.choices)}")
    return value


def _count(given: Mapping[str, Any], name: str) -> int:
    value = given[name]
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_COUNT))):
        raise InvalidParameter(f"{name} is {text[:60]!r}; it must be a whole number from 0 to {LARGEST_COUNT:,}")
    return int(text)


def _texts(given: Mapping[str, Any], name: str) -> list[str]:
    values = given[name]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidParameter(f"{name} is {str(values)[:60]!r}; it must be a list of texts")
    return values


def _instance(given: Mapping[str, Any], name: str) -> str:
    text = text_of(given, name) or ""
    if not INSTANCE_PATTERN.fullmatch(text):
        raise InvalidParameter(f"{name} is {text[:60]!r}, which is no ML instance type such as ml.r5.large")
    return text


def _arn(given: Mapping[str, Any], name: str) -> str:
    text = text_of(given, name) or ""
    if not text.startswith("arn:"):
        raise InvalidParameter(
            f"{name} is {text[:60]!r}; a role is named by its ARN, such as arn:aws:iam::123456789012:role/name"
        )
    return text


def _hops(given: Mapping[str, Any], name: str) -> tuple[int, ...]:
    value = given[name]
    hops = value.split(",") if isinstance(value, str) else value
    texts = [str(hop).strip() for hop in hops] if isinstance(hops, list) else [""]
    if not all(HOP_PATTERN.fullmatch(text) for text in texts):
        raise InvalidParameter(
            f"{name} is {str(value)[:60]!r}; it must be positive integers, one per hop, such as [10, 10]"
        )
    return tuple(int(text) for text in texts)


def _object(given: Mapping[str, Any], name: str) -> dict[str, str]:
    value = _document(given, name)
    texts = {key: text_of(value, key) for key in value}
    return {key: text for key, text in texts.items() if text is not None}


def _document(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = given[name]
    if not isinstance(value, dict):
        raise InvalidParameter(f"{name} is {str(value)[:60]!r}; it must be an object")
    return value


_READERS = {
    Shape.TEXT: text_of,
    Shape.COUNT: _count,
    Shape.FLAG: lambda given, name: parse_flag(given[name], name),
    Shape.TEXTS: _texts,
    Shape.INSTANCE: _instance,
    Shape.ARN: _arn,
    Shape.HOPS: _hops,
    Shape.OBJECT: _object,
    Shape.DOCUMENT: _document,
}
