"""A real boto3 client against a real service; botocore's model of Neptune's data API is the contract."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import OperationModel, Shape
from botocore.session import get_session

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.app import DATABASE, create_app
from neptuneml_plugin.service.jobs.record import JobKind
from neptuneml_plugin.service.wire import endpoints, queries, requests
from neptuneml_plugin.service.wire.requests import Member
from tests.planted import planted_export
from tests.readme import ROOT, SERVICE_PORT, blocks
from tests.running_service import RunningService, eventually, running_service
from tests.training.graphs import set_hyperparameters

MODEL = get_session().get_service_model("neptunedata")
#: boto3 names an operation's method in snake case.
METHODS = {
    "StartMLDataProcessingJob": "start_ml_data_processing_job",
    "ListMLDataProcessingJobs": "list_ml_data_processing_jobs",
    "GetMLDataProcessingJob": "get_ml_data_processing_job",
    "CancelMLDataProcessingJob": "cancel_ml_data_processing_job",
    "StartMLModelTrainingJob": "start_ml_model_training_job",
    "ListMLModelTrainingJobs": "list_ml_model_training_jobs",
    "GetMLModelTrainingJob": "get_ml_model_training_job",
    "CancelMLModelTrainingJob": "cancel_ml_model_training_job",
    "StartMLModelTransformJob": "start_ml_model_transform_job",
    "ListMLModelTransformJobs": "list_ml_model_transform_jobs",
    "GetMLModelTransformJob": "get_ml_model_transform_job",
    "CancelMLModelTransformJob": "cancel_ml_model_transform_job",
    "CreateMLEndpoint": "create_ml_endpoint",
    "ListMLEndpoints": "list_ml_endpoints",
    "GetMLEndpoint": "get_ml_endpoint",
    "DeleteMLEndpoint": "delete_ml_endpoint",
}
JOBS, STARTS = ("DataProcessingJob", "ModelTrainingJob", "ModelTransformJob"), "StartML"
#: Members that we take and botocore does not know, each with where it comes from.
OURS = {
    "enableInterContainerTrafficEncryption",  # the guide
    "maxWaitTime",  # the guide
    "modelName",  # the guide's REST interface of a training; botocore has it for endpoints only
    "artifactLocation",  # ours: an artifact that the command line wrote
    "ensemble",  # ours: several artifacts that answer as one
    "nextToken",  # ours: lists go on
    "state",  # ours: lists of one state
    "purge",  # ours: forgets a job
    *endpoints.OPTIONS,  # how an endpoint answers
}
#: Members of botocore's model that we do not know: none.
UNKNOWN_HERE: set[str] = set()
#: What a status holds beyond botocore's model (docs/management.md).
BEYOND = {
    *("creationTimeInMillis", "startTimeInMillis", "endTimeInMillis", "queued", "progress", "logTail"),
    *("metrics", "baselines", "counts", "warnings", "reportLocation", "trials", "failureReason", "version"),
    "options",  # of an endpoint
    "withoutEffect",  # members that were given and change nothing here
    "versions",  # those that an endpoint can be rolled back to
    "processingJob",  # of a transform, where graph-notebook reads it
    "nextToken",
}
#: Texts of the members that take not just any.
TEXTS = {
    "processingInstanceType": "ml.r5.large",
    "baseProcessingInstanceType": "ml.r5.large",
    "trainingInstanceType": "ml.p3.2xlarge",
    "instanceType": "ml.m5d.xlarge",
    "sagemakerIamRoleArn": "arn:aws:iam::123456789012:role/sagemaker",
    "neptuneIamRoleArn": "arn:aws:iam::123456789012:role/neptune",
    "modelType": "heterogeneous",
    "modelName": "rgcn",
    "configFileName": "training-data-configuration.json",
    "inputDataS3Location": "s3://lib/export",
    "processedDataS3Location": "s3://lib/dp",
    "trainModelS3Location": "s3://lib/train",
    "modelTransformOutputS3Location": "s3://lib/mt",
    "dataProcessingJobId": "p",
    "previousDataProcessingJobId": "p",
    "mlModelTrainingJobId": "t",
    "previousModelTrainingJobId": "t",
    "mlModelTransformJobId": "f",
}


def ml_operations() -> dict[str, OperationModel]:
    """The operations of botocore's model under `/ml/`."""
    models = {name: MODEL.operation_model(name) for name in MODEL.operation_names}
    return {name: model for name, model in models.items() if model.http["requestUri"].startswith("/ml/")}


#: A chain of jobs on a busy machine.
pytestmark = pytest.mark.timeout(900)


@dataclass
class Boto:
    """A boto3 client that remembers the last body that it received."""

    client: Any
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]:
        """Return what boto3 makes of the answer."""
        answer: dict[str, Any] = getattr(self.client, METHODS[operation])(**members)
        return answer

    def raw(self, operation: str, **members: Any) -> dict[str, Any]:
        """Return the body of the answer."""
        self(operation, **members)
        return self.bodies[-1]

    def remember(self, http_response: Any, **_: Any) -> None:
        self.bodies.append(json.loads(http_response.content))


def connect(service: RunningService, *, signed: bool = True, **more: Any) -> Boto:
    """A client as a notebook would make it: only its address differs."""
    unsigned = {} if signed else {"signature_version": UNSIGNED}
    config = Config(retries={"total_max_attempts": 1}, **unsigned, **more)
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "example"} if signed else {}
    client = boto3.client("neptunedata", endpoint_url=service.url, region_name="us-east-1", config=config, **keys)
    boto = Boto(client)
    client.meta.events.register("after-call.neptunedata.*", boto.remember)
    return boto


#: Classes that a test of its own provokes.
BY_THEMSELVES = {
    "ConstraintViolationException",  # test_an_endpoint_that_is_being_created_is_not_updated
    "ClientTimeoutException",  # test_who_does_not_send_the_whole_body_is_told_so
    "PreconditionsFailedException",  # test_an_output_that_has_vanished_is_not_read
    "TooManyRequestsException",  # test_who_asks_too_often_is_told_so
}


@dataclass(frozen=True)
class Stack:
    """A service with one completed job of each kind (`p`, `t`, `f`) and an endpoint (`e`)."""

    boto: Boto
    service: RunningService
    root: Path

    def output(self, kind: JobKind, job_id: str) -> Path:
        plan = self.record(kind, job_id)["plan"]
        return Path(plan["output"])

    def record(self, kind: JobKind, job_id: str) -> dict[str, Any]:
        """What the service has written down of a job."""
        with sqlite3.connect(self.root / DATABASE) as database:
            row = database.execute("SELECT record FROM jobs WHERE kind = ? AND id = ?", (kind, job_id)).fetchone()
        database.close()
        record: dict[str, Any] = json.loads(row[0])
        return record


def completed(boto: Boto, what: str, job_id: str) -> dict[str, Any]:
    """Return a job's status once it has ended well."""
    eventually(lambda: boto(f"GetML{what}", id=job_id)["status"] != "InProgress", 280)
    status = boto(f"GetML{what}", id=job_id)
    assert status["status"] == "Completed", boto.bodies[-1]
    return status


def in_service(boto: Boto, endpoint: str) -> dict[str, Any]:
    eventually(lambda: boto("GetMLEndpoint", id=endpoint)["status"] not in ("Creating", "Updating"))
    return boto("GetMLEndpoint", id=endpoint)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Process, train, transform and serve, all through boto3."""
    root = tmp_path_factory.mktemp("root")
    planted_export(root / "s3" / "lib" / "export", Task.NODE_CLASS, nodes=60)
    with running_service(root) as service:
        boto = connect(service)
        stack = Stack(boto, service, root)
        locations = {name: text for name, text in TEXTS.items() if name.endswith("S3Location")}
        boto(
            "StartMLDataProcessingJob",
            id="p",
            inputDataS3Location=locations["inputDataS3Location"],
            processedDataS3Location=locations["processedDataS3Location"],
        )
        completed(boto, "DataProcessingJob", "p")
        set_hyperparameters(stack.output(JobKind.DATA_PROCESSING, "p"), {"num-epochs": 3})
        boto(
            "StartMLModelTrainingJob",
            id="t",
            dataProcessingJobId="p",
            trainModelS3Location=locations["trainModelS3Location"],
            maxHPONumberOfTrainingJobs=1,
        )
        completed(boto, "ModelTrainingJob", "t")
        boto(
            "StartMLModelTransformJob",
            id="f",
            dataProcessingJobId="p",
            mlModelTrainingJobId="t",
            modelTransformOutputS3Location=locations["modelTransformOutputS3Location"],
        )
        boto("CreateMLEndpoint", id="e", mlModelTrainingJobId="t", instanceType="ml.m5.xlarge", instanceCount=1)
        completed(boto, "ModelTransformJob", "f")
        yield stack


def value_of(name: str, shape: Shape) -> Any:
    """Return a value of a member's shape."""
    if shape.type_name == "structure":
        return {key: value_of(key, member) for key, member in shape.members.items()}
    by_type: dict[str, Any] = {"integer": 3, "boolean": True, "list": ["one-1", "two-2"]}
    return by_type.get(shape.type_name, TEXTS.get(name, "text"))


#: Kind of shape -> what JSON gives for it.
PYTHON: dict[str, Any] = {
    "string": str,
    "long": int,
    "integer": int,
    "boolean": bool,
    "list": list,
    "structure": dict,
}


def check(body: Any, shape: Shape, path: str = "") -> None:
    """Assert that a body has what a shape names, in its types, and beyond it only what we document."""
    assert isinstance(body, PYTHON[shape.type_name]), f"{path} is {body!r}"
    if shape.type_name == "list":
        for item in body:
            check(item, shape.member, f"{path}[]")
    if shape.type_name == "structure":
        allowed = set(shape.members) | (BEYOND if path == "" else set())
        assert set(body) <= allowed, f"{path}: {set(body) - allowed}"
        for name in set(body) & set(shape.members):
            check(body[name], shape.members[name], f"{path}.{name}")


def known_members(operation: OperationModel) -> dict[str, Member]:
    """Return what our tables say of an operation's body or query string."""
    method, path = operation.http["method"], operation.http["requestUri"].split("/")
    if method == "POST":
        members = endpoints.MEMBERS if path[2] == "endpoints" else requests.MEMBERS[JobKind(path[2])]
    elif len(path) == 3:
        members = queries.LIST if path[2] == "endpoints" else queries.LIST_JOBS
    elif method == "GET":
        members = queries.READ
    else:
        members = queries.DELETE if path[2] == "endpoints" else queries.CANCEL
    return {member.name: member for member in members}


def test_botocores_model_has_no_operation_that_is_unknown_here(tmp_path: Path) -> None:
    assert set(ml_operations()) == set(METHODS)
    served = {
        (route.method, route.resource.canonical)
        for route in create_app(ServiceConfig(tmp_path)).router.routes()
        if route.resource is not None
    }
    for operation in ml_operations().values():
        assert (operation.http["method"], operation.http["requestUri"]) in served


@pytest.mark.parametrize("operation", ml_operations().values(), ids=ml_operations())
def test_botocores_model_has_no_member_that_is_unknown_here(operation: OperationModel) -> None:
    shape, known = operation.input_shape, known_members(operation)
    members = {name for name, member in shape.members.items() if member.serialization.get("location") != "uri"}
    assert members - UNKNOWN_HERE <= set(known)
    assert set(known) - members <= OURS
    required = {member.name for member in known.values() if member.required}
    assert required == set(shape.required_members) - {"id"}
    kinds = {"integer": {"count"}, "boolean": {"flag"}, "list": {"texts"}, "structure": {"object"}}
    for name in members:
        kind = shape.members[name].type_name
        assert known[name].shape.value in kinds.get(kind, {"text", "arn", "instance"})


def starts() -> list[tuple[str, str]]:
    """Every start of a job with every optional member."""
    return [
        (what, name)
        for what in JOBS
        for name in MODEL.operation_model(STARTS + what).input_shape.members
        if name not in MODEL.operation_model(STARTS + what).input_shape.required_members
    ]


#: What a start needs beside its required members.
NEEDED: dict[str, dict[str, str]] = {
    "DataProcessingJob": {},
    "ModelTrainingJob": {},
    "ModelTransformJob": {"dataProcessingJobId": "p", "mlModelTrainingJobId": "t"},
}
#: Optional members that are refused here by name, whatever stands beside them.
REFUSED = {
    "customModelTrainingParameters": "UnsupportedOperationException",  # the service runs no scripts
    "customModelTransformParameters": "IllegalArgumentException",  # it was not trained by scripts
}


@pytest.mark.parametrize(("what", "name"), starts(), ids=str)
def test_every_optional_member_of_a_start_is_taken_and_recorded(stack: Stack, what: str, name: str) -> None:
    operation = MODEL.operation_model(STARTS + what)
    shapes = operation.input_shape.members
    job_id = f"{what}-{name}"[:48]
    given = {required: value_of(required, shapes[required]) for required in operation.input_shape.required_members}
    given |= NEEDED[what] | {"id": job_id}
    if name == "trainingJobName":
        del given["mlModelTrainingJobId"]
        given[name] = stack.boto.raw("GetMLModelTrainingJob", id="t")["trials"][0]["name"]
    elif name != "id":
        given[name] = value_of(name, shapes[name])
    if name in REFUSED:
        assert_refused(stack.boto, Refusal(REFUSED[name], STARTS + what, given))
        return
    started = stack.boto.raw(STARTS + what, **given)
    check(started, operation.output_shape)
    assert set(started) == set(operation.output_shape.members)
    cancelled = stack.boto.raw(f"CancelML{what}", id=job_id, clean=True)
    check(cancelled, MODEL.operation_model(f"CancelML{what}").output_shape)
    assert cancelled["status"] in ("Stopping", "Stopped")
    kind = JobKind(operation.http["requestUri"].rpartition("/")[2])
    assert stack.record(kind, job_id)["request"] == given


STATUSES = [(f"GetML{what}", job_id) for what, job_id in zip(JOBS, "ptf", strict=True)] + [("GetMLEndpoint", "e")]


@pytest.mark.parametrize(("operation", "name"), STATUSES)
def test_a_status_has_all_that_the_model_names(stack: Stack, operation: str, name: str) -> None:
    if operation == "GetMLEndpoint":
        assert in_service(stack.boto, "e")["status"] == "InService"
    body = stack.boto.raw(operation, id=name, neptuneIamRoleArn=TEXTS["neptuneIamRoleArn"])
    shape = MODEL.operation_model(operation).output_shape
    check(body, shape)
    assert set(shape.members) <= set(body)


def test_clients_find_what_they_read(stack: Stack) -> None:
    """What graph-notebook and the toolkit look into."""
    for what, job_id in zip(JOBS, "ptf", strict=True):
        status = stack.boto.raw(f"GetML{what}", id=job_id)
        assert status["processingJob"]["outputLocation"].startswith("s3://lib/")
    assert in_service(stack.boto, "e")["endpoint"]["name"]


@pytest.mark.parametrize("operation", ["ListMLEndpoints", *(f"ListML{what}s" for what in JOBS)])
def test_lists(stack: Stack, operation: str) -> None:
    role = TEXTS["neptuneIamRoleArn"]
    for given in ({}, {"maxItems": 1}, {"maxItems": 1024, "neptuneIamRoleArn": role}):
        body = stack.boto.raw(operation, **given)
        check(body, MODEL.operation_model(operation).output_shape)
        assert 1 <= len(body["ids"]) <= given.get("maxItems", 10)  # type: ignore[operator]
    with pytest.raises(stack.boto.client.exceptions.InvalidParameterException, match="1 to 1024"):
        stack.boto(operation, maxItems=1025)  # boto3 itself refuses 0


#: Member of a query string -> values that it may not have.
WRONG: dict[str, tuple[object, ...]] = {
    "maxItems": (0, 1025, -1, "ten", "1.5"),
    "neptuneIamRoleArn": ("me", "role/neptune"),
    "clean": ("perhaps", "1", "yes"),
}


def in_queries() -> list[tuple[str, str]]:
    """Every operation with each member of its query string."""
    return [
        (name, member)
        for name, operation in ml_operations().items()
        for member, shape in operation.input_shape.members.items()
        if shape.serialization.get("location") == "querystring"
    ]


@pytest.mark.parametrize(("operation", "member"), in_queries())
def test_every_member_of_a_query_string_is_checked(stack: Stack, operation: str, member: str) -> None:
    """boto3 checks little of this itself, and nothing where it is told not to."""
    lax = connect(stack.service, parameter_validation=False)
    path = {} if operation.startswith("List") else {"id": "nothing"}
    for value in WRONG[member]:
        with pytest.raises(lax.client.exceptions.InvalidParameterException, match=f"{member} is '{value}'"):
            lax(operation, **path, **{member: value})


@pytest.mark.parametrize("operation", [name for name in ml_operations() if name.startswith(("Cancel", "Delete"))])
def test_a_query_string_with_all_its_members_is_read(stack: Stack, operation: str) -> None:
    with pytest.raises(stack.boto.client.exceptions.MLResourceNotFoundException, match="'nothing'"):
        stack.boto(operation, id="nothing", clean=True, neptuneIamRoleArn=TEXTS["neptuneIamRoleArn"])


def test_an_endpoint_is_created_with_every_member_updated_and_deleted(stack: Stack) -> None:
    operation = MODEL.operation_model("CreateMLEndpoint")
    given = {name: value_of(name, shape) for name, shape in operation.input_shape.members.items()}
    del given["mlModelTransformJobId"]
    created = stack.boto.raw("CreateMLEndpoint", **given | {"id": "made", "update": False})
    check(created, operation.output_shape)
    assert set(created) == set(operation.output_shape.members)
    assert in_service(stack.boto, "made")["status"] == "InService"
    stack.boto("CreateMLEndpoint", id="made", mlModelTransformJobId="f", update=True)
    assert in_service(stack.boto, "made")["status"] == "InService"
    assert stack.boto("ListMLEndpoints")["ids"][0] == "made"
    body = stack.boto.raw("DeleteMLEndpoint", id="made", clean=True, neptuneIamRoleArn=given["neptuneIamRoleArn"])
    assert body == {"status": "Deleting"}
    with pytest.raises(stack.boto.client.exceptions.MLResourceNotFoundException):
        stack.boto("GetMLEndpoint", id="made")


@dataclass(frozen=True)
class Refusal:
    """A request, and the class that answers it."""

    code: str
    operation: str
    members: Mapping[str, Any]


DP = {"inputDataS3Location": "s3://lib/export", "processedDataS3Location": "s3://lib/dp"}
TRAIN = {"dataProcessingJobId": "p", "trainModelS3Location": "s3://lib/train"}
OUT = {"modelTransformOutputS3Location": "s3://lib/mt"}
APPLY = OUT | {"dataProcessingJobId": "p", "mlModelTrainingJobId": "t"}
SCRIPTS = {"sourceS3DirectoryPath": "s3://lib/src"}
INVALID, BAD = "InvalidParameterException", "BadRequestException"
REFUSALS = (
    Refusal("MissingParameterException", "StartMLModelTransformJob", OUT),
    Refusal("MissingParameterException", "CreateMLEndpoint", {}),
    Refusal("MissingParameterException", "CreateMLEndpoint", {"mlModelTrainingJobId": "t", "update": True}),
    Refusal(INVALID, "StartMLDataProcessingJob", DP | {"processingInstanceType": "big"}),
    Refusal(INVALID, "StartMLDataProcessingJob", DP | {"id": "a" * 49}),
    Refusal(INVALID, "StartMLDataProcessingJob", DP | {"id": "under_score"}),
    Refusal(INVALID, "StartMLDataProcessingJob", DP | {"id": "p"}),
    Refusal(INVALID, "StartMLDataProcessingJob", DP | {"previousDataProcessingJobId": "no"}),
    Refusal(INVALID, "StartMLDataProcessingJob", DP | {"modelType": "custom"}),
    Refusal(INVALID, "StartMLModelTrainingJob", TRAIN | {"dataProcessingJobId": "no"}),
    Refusal(INVALID, "StartMLModelTrainingJob", TRAIN | {"trainingTimeOutInSeconds": -1}),
    Refusal(INVALID, "CancelMLDataProcessingJob", {"id": "p"}),
    Refusal(INVALID, "GetMLModelTrainingJob", {"id": "t", "neptuneIamRoleArn": "me"}),
    Refusal(INVALID, "CreateMLEndpoint", {"mlModelTrainingJobId": "t", "mlModelTransformJobId": "f"}),
    Refusal(INVALID, "CreateMLEndpoint", {"mlModelTrainingJobId": "t", "id": "e"}),
    Refusal(INVALID, "CreateMLEndpoint", {"mlModelTrainingJobId": "t", "id": "no", "update": True}),
    Refusal(BAD, "StartMLDataProcessingJob", DP | {"inputDataS3Location": "s3://lib/nothing"}),
    Refusal(BAD, "StartMLDataProcessingJob", DP | {"inputDataS3Location": "no location"}),
    Refusal(BAD, "StartMLModelTrainingJob", TRAIN | {"previousModelTrainingJobId": "no"}),
    Refusal(BAD, "StartMLModelTransformJob", OUT | {"dataProcessingJobId": "p", "mlModelTrainingJobId": "no"}),
    Refusal(BAD, "StartMLModelTransformJob", OUT | {"trainingJobName": "no"}),
    Refusal(BAD, "CreateMLEndpoint", {"mlModelTrainingJobId": "no"}),
    Refusal(BAD, "CreateMLEndpoint", {"mlModelTransformJobId": "no"}),
    Refusal(
        "UnsupportedOperationException",
        "StartMLModelTrainingJob",
        TRAIN | {"customModelTrainingParameters": SCRIPTS},
    ),
    Refusal(
        "InvalidArgumentException",
        "StartMLModelTrainingJob",
        TRAIN | {"customModelTrainingParameters": SCRIPTS | {"trainingEntryPointScript": "../fit.py"}},
    ),
    Refusal(
        "IllegalArgumentException",
        "StartMLModelTransformJob",
        APPLY | {"customModelTransformParameters": SCRIPTS},
    ),
    *(Refusal("MLResourceNotFoundException", f"GetML{what}", {"id": "no"}) for what in JOBS),
    *(Refusal("MLResourceNotFoundException", f"CancelML{what}", {"id": "no", "clean": False}) for what in JOBS),
    Refusal("MLResourceNotFoundException", "GetMLEndpoint", {"id": "no"}),
    Refusal("MLResourceNotFoundException", "DeleteMLEndpoint", {"id": "no"}),
)


def assert_refused(boto: Boto, refusal: Refusal) -> None:
    """Assert the typed exception, its status, its text and the identity of the request."""
    model = MODEL.operation_model(refusal.operation)
    (shape,) = [each for each in model.error_shapes if each.name == refusal.code]
    with pytest.raises(getattr(boto.client.exceptions, refusal.code)) as caught:
        boto(refusal.operation, **refusal.members)
    assert isinstance(caught.value, ClientError)
    answer, body = caught.value.response, boto.bodies[-1]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == shape.metadata["error"]["httpStatusCode"]
    assert answer["Error"]["Message"] == body["detailedMessage"] != ""
    assert answer["ResponseMetadata"]["RequestId"] == body["requestId"]
    assert set(shape.members) <= set(body)


@pytest.mark.parametrize(
    "refusal", REFUSALS, ids=lambda each: f"{each.code}-{each.operation}-{list(each.members)[-1:]}"
)
def test_refusals_arrive_as_boto3s_own_exceptions(stack: Stack, refusal: Refusal) -> None:
    assert_refused(stack.boto, refusal)


def test_an_endpoint_that_is_being_created_is_not_updated(stack: Stack) -> None:
    stack.boto("CreateMLEndpoint", id="busy", mlModelTrainingJobId="t")
    members = {"id": "busy", "mlModelTrainingJobId": "t", "update": True}
    assert_refused(stack.boto, Refusal("ConstraintViolationException", "CreateMLEndpoint", members))
    stack.boto("DeleteMLEndpoint", id="busy")


@pytest.mark.parametrize(
    ("kind", "job_id", "operation", "members"),
    [
        (JobKind.DATA_PROCESSING, "p", "StartMLModelTrainingJob", TRAIN),
        (JobKind.DATA_PROCESSING, "p", "StartMLDataProcessingJob", DP | {"previousDataProcessingJobId": "p"}),
        (JobKind.MODEL_TRAINING, "t", "StartMLModelTrainingJob", TRAIN | {"previousModelTrainingJobId": "t"}),
        (JobKind.MODEL_TRAINING, "t", "StartMLModelTransformJob", APPLY),
    ],
)
def test_an_output_that_has_vanished_is_not_read(
    stack: Stack, kind: JobKind, job_id: str, operation: str, members: Mapping[str, Any]
) -> None:
    output = stack.output(kind, job_id)
    away = output.rename(output.with_name("away"))
    try:
        assert_refused(stack.boto, Refusal("PreconditionsFailedException", operation, members))
    finally:
        away.rename(output)


def test_who_does_not_send_the_whole_body_is_told_so(tmp_path: Path) -> None:
    def promise_more(request: Any, **_: Any) -> None:
        request.headers["Content-Length"] = str(len(request.body) + 1)

    with running_service(tmp_path / "root", body_seconds=0.2) as service:
        boto = connect(service)
        boto.client.meta.events.register("before-send.neptunedata.*", promise_more)
        assert_refused(boto, Refusal("ClientTimeoutException", "StartMLDataProcessingJob", DP))


def test_every_class_is_provoked() -> None:
    classes = {shape.name for model in ml_operations().values() for shape in model.error_shapes}
    assert len(classes) == 11
    assert classes == {refusal.code for refusal in REFUSALS} | BY_THEMSELVES


def test_who_asks_too_often_is_told_so(tmp_path: Path) -> None:
    with running_service(tmp_path / "root", requests_per_second=0.01, request_burst=2) as service:
        boto = connect(service)
        for _ in range(2):
            assert boto("ListMLEndpoints")["ids"] == []
        assert_refused(boto, Refusal("TooManyRequestsException", "ListMLEndpoints", {}))
        with pytest.raises(boto.client.exceptions.TooManyRequestsException) as caught:
            boto("ListMLEndpoints")
        wait = caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]
        assert 0 < int(wait) <= 100


def _signed(stack: Stack) -> Boto:
    return stack.boto


def _unsigned(stack: Stack) -> Boto:
    return connect(stack.service, signed=False)


@pytest.mark.parametrize("client", [_signed, _unsigned])
def test_signed_and_unsigned_requests_are_taken(stack: Stack, client: Callable[[Stack], Boto]) -> None:
    boto = client(stack)
    assert "p" in boto("ListMLDataProcessingJobs", maxItems=1024)["ids"]
    started = boto("StartMLDataProcessingJob", **DP)
    assert boto("CancelMLDataProcessingJob", id=started["id"])["status"] in ("Stopping", "Stopped")


def test_readme_names_what_changes(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """README's own lines, with this service's address."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    section = (ROOT / "README.md").read_text().partition("## From Neptune ML")[2].partition("\n## ")[0]
    (lines,) = blocks(section, "python")
    names: dict[str, Any] = {}
    exec(lines.replace(f"http://localhost:{SERVICE_PORT}", stack.service.url), names)
    assert stack.boto("CancelMLDataProcessingJob", id=names["job"]["id"])["status"] in ("Stopping", "Stopped")
