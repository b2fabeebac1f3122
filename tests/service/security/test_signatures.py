"""Requests that botocore has signed, and what may not be changed about them."""

import hashlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import AccessDenied, PreconditionsFailed
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.security.signatures import ALGORITHM, DATE_FORMAT, parse_signature

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BODY = json.dumps({"artifactLocation": "s3://b/é"}).encode()

Client = TestClient[Any, Any]


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    file = tmp_path / "keys.yaml"
    file.write_text(json.dumps({KEY: SECRET, "AKIDOTHER": "other"}))
    file.chmod(0o600)
    return file


@pytest.fixture
async def client(tmp_path: Path, keys_file: Path) -> AsyncIterator[Client]:
    config = ServiceConfig(tmp_path / "root", keys_file=keys_file)
    async with TestClient(TestServer(create_app(config))) as client:
        yield client


def signed(
    client: Client,
    method: str,
    path: str,
    body: bytes | None = None,
    service: str = "neptune-db",
    key: tuple[str, str] = (KEY, SECRET),
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers that botocore signs a request with, as boto3 and graph-notebook do."""
    request = AWSRequest(method, f"http://127.0.0.1:{client.port}{path}", headers=dict(headers or {}), data=body)
    SigV4Auth(Credentials(*key), service, "eu-west-1").add_auth(request)
    return dict(request.headers)


async def told(client: Client, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> str:
    """Return what the service answers: its status and, of an error, the text."""
    answer = await client.request(method, path, headers=headers, data=body)
    document = await answer.json()
    return f"{answer.status} {document.get('message', '')}"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/ml/endpoints", None),
        ("GET", "/ml/endpoints?maxItems=7&nextToken=", None),
        ("GET", "/ml/endpoints/a%20b%2Fc~%C3%A9", None),
        ("POST", "/ml/endpoints", BODY),
        ("DELETE", "/ml/endpoints/x?clean=TRUE", None),
    ],
)
async def test_a_request_as_it_was_signed_passes(
    client: Client, method: str, path: str, body: bytes | None
) -> None:
    headers = signed(client, method, path, body, headers={"Content-Type": "application/json"} if body else {})
    assert not (await told(client, method, path, headers, body)).startswith("403")


async def test_the_hash_of_the_body_may_be_sent_too(client: Client) -> None:
    hashed = hashlib.sha256(BODY).hexdigest()
    headers = signed(client, "POST", "/ml/endpoints", BODY, headers={"X-Amz-Content-SHA256": hashed})
    assert not (await told(client, "POST", "/ml/endpoints", headers, BODY)).startswith("403")
    assert "403 X-Amz-Content-SHA256 is not the hash" in await told(
        client, "POST", "/ml/endpoints", headers, b"{}"
    )
    unsigned = signed(client, "POST", "/ml/endpoints", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert "403 X-Amz-Content-SHA256" in await told(client, "POST", "/ml/endpoints", unsigned, BODY)


async def test_exports_may_be_signed_for_their_gateway(client: Client) -> None:
    for path in ("/neptune-export", "/v1/neptune-export/job-1"):
        headers = signed(client, "GET", path, service="execute-api")
        assert not (await told(client, "GET", path, headers)).startswith("403")
    other = signed(client, "GET", "/ml/endpoints", service="execute-api")
    assert "403 requests to /ml/endpoints are signed for service neptune-db" in await told(
        client, "GET", "/ml/endpoints", other
    )


async def test_a_signature_is_good_for_its_own_request_alone(client: Client) -> None:
    headers = signed(client, "POST", "/ml/endpoints", BODY)
    changed = {
        "another body": ("POST", "/ml/endpoints", headers, BODY + b" "),
        "another method": ("PUT", "/ml/endpoints", headers, BODY),
        "another path": ("POST", "/ml/modeltraining", headers, BODY),
        "another query": ("POST", "/ml/endpoints?update=true", headers, BODY),
        "another date": ("POST", "/ml/endpoints", headers | {"X-Amz-Date": _date(timedelta(seconds=9))}, BODY),
        "another host": ("POST", "/ml/endpoints", headers | {"Host": "localhost"}, BODY),
    }
    for what, (method, path, sent, body) in changed.items():
        assert "403 the access key is unknown, or the signature is not" in await told(
            client, method, path, sent, body
        ), what


def _date(shift: timedelta) -> str:
    return (datetime.now(UTC) + shift).strftime(DATE_FORMAT)


async def test_keys_that_are_not_known(client: Client) -> None:
    for key in ((KEY, "wrong"), ("AKIDOTHER", SECRET), ("AKIDNOBODY", SECRET), ("AKIDNOBODY", "")):
        headers = signed(client, "GET", "/ml/endpoints", key=key)
        assert "403 the access key is unknown" in await told(client, "GET", "/ml/endpoints", headers), key


@pytest.mark.parametrize("minutes", [-6, 6, -60 * 24 * 365])
async def test_a_request_of_another_time(client: Client, minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime", lambda: datetime.now(UTC) + timedelta(minutes=minutes)
    )
    headers = signed(client, "GET", "/ml/endpoints")
    answer = await told(client, "GET", "/ml/endpoints", headers)
    assert "403 the request was signed at " in answer
    assert "clocks may differ by 5 minutes" in answer


async def test_clocks_may_differ_a_little(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.now(UTC) - timedelta(minutes=4))
    assert (await told(client, "GET", "/ml/endpoints", signed(client, "GET", "/ml/endpoints"))).startswith("200")


async def test_no_signature_at_all(client: Client) -> None:
    asked = "403 the token is missing or wrong; send a request signed as AWS does"
    assert asked in await told(client, "GET", "/ml/endpoints", {})
    assert asked in await told(client, "GET", "/ml/endpoints", {"Authorization": f"Bearer {SECRET}"})
    assert (await told(client, "GET", "/health", {})).startswith("200")


async def test_a_signed_websocket(client: Client) -> None:
    refused = await client.get("/gremlin", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
    assert refused.status == 403
    headers = signed(client, "GET", "/gremlin") | {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert (await client.get("/gremlin", headers=headers)).status != 403


async def test_token_and_keys_together(tmp_path: Path, keys_file: Path) -> None:
    config = ServiceConfig(tmp_path / "root", keys_file=keys_file, token="known")
    async with TestClient(TestServer(create_app(config))) as client:
        for headers in (signed(client, "GET", "/ml/endpoints"), {"Authorization": "Bearer known"}):
            assert (await told(client, "GET", "/ml/endpoints", headers)).startswith("200")
        assert "403 " in await told(client, "GET", "/ml/endpoints", {"Authorization": "Bearer unknown"})


async def test_signatures_are_not_looked_at_where_nobody_is_asked(tmp_path: Path) -> None:
    async with TestClient(TestServer(create_app(ServiceConfig(tmp_path)))) as client:
        headers = signed(client, "GET", "/ml/endpoints", key=("anything", "at all"))
        assert (await told(client, "GET", "/ml/endpoints", headers)).startswith("200")


HEADER = (
    f"{ALGORITHM} Credential=AK/20260131/eu-west-1/neptune-db/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("host;x-amz-date", "x-amz-date", "must cover the headers"),
        ("host;x-amz-date", "host", "must cover the headers"),
        ("0" * 64, "0" * 63, "not a whole"),
        ("aws4_request", "aws5_request", "not a whole"),
        ("AK/", "A K/", "not a whole"),
        ("20260131", "2026-1-3", "not a whole"),
        (HEADER, f"{ALGORITHM} ", "not a whole"),
    ],
)
def test_headers_that_say_too_little(old: str, new: str, says: str) -> None:
    assert parse_signature(HEADER).access_key == "AK"
    with pytest.raises(AccessDenied, match=says):
        parse_signature(HEADER.replace(old, new))


@given(st.text(max_size=300), st.integers(0, len(HEADER)))
def test_any_header_is_read_or_refused(noise: str, at: int) -> None:
    for text in (noise, HEADER[:at] + noise + HEADER[at:], f"{ALGORITHM} {noise}"):
        try:
            assert parse_signature(text).service
        except AccessDenied as error:
            assert "0" * 64 not in str(error)  # noqa: PT017


def test_without_botocore_keys_are_refused(
    tmp_path: Path, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(PreconditionsFailed, match=r"pip install 'neptuneml-plugin\[aws\]'"):
        create_app(ServiceConfig(tmp_path, keys_file=keys_file))
