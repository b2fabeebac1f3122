"""`/openapi.json`: complete, well-formed, and true of what the service answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.openapi import OPERATIONS, described_routes, document
from neptuneml_plugin.service.wire import endpoints
from neptuneml_plugin.service.wire.requests import MEMBERS
from tests.running_service import RunningService, running_service

ROUTER = create_app(ServiceConfig(Path("unused"))).router
DOCUMENT = document(ROUTER)
OURS = [(method, path) for method, path, _ in described_routes(ROUTER) if (method, path) in OPERATIONS]
load_all_checks()
CHECKED = CHECKS.get_by_names(
    ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
)
EXAMPLES = 15


def test_it_is_valid_and_every_route_has_a_sentence() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    operations = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"].endswith("."), operation
    served = {(method, path) for method, path, _ in described_routes(ROUTER)}
    assert set(OPERATIONS) <= served


def test_every_member_of_the_tables_stands_in_it() -> None:
    bodies = {("POST", f"/ml/{kind}"): members for kind, members in MEMBERS.items()}
    for (method, path), members in (bodies | {("POST", "/ml/endpoints"): endpoints.MEMBERS}).items():
        body = DOCUMENT["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
        assert set(body["properties"]) == {member.name for member in members}
        assert set(body["required"]) == {member.name for member in members if member.required}


def test_every_error_stands_under_its_status() -> None:
    def below(error: type[NeptuneMLError]) -> Iterator[type[NeptuneMLError]]:
        yield error
        for inner in error.__subclasses__():
            yield from below(inner)

    for error in below(NeptuneMLError):
        assert error.code in DOCUMENT["components"]["responses"][str(error.http_status)]["description"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("root")) as running:
        yield running


@pytest.mark.parametrize(("method", "path"), OURS)
def test_schemathesis_finds_nothing(service: RunningService, method: str, path: str) -> None:
    operation = schemathesis.openapi.from_url(f"{service.url}/openapi.json")[path][method]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.validate_response(case.call(base_url=service.url), checks=CHECKED)

    ask()
