"""Secrets in files, addresses that others reach, and https."""

import asyncio
import logging
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from aiohttp.test_utils import TestClient, TestServer

from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import AccessDenied, InvalidSettings, NeptuneMLError, PreconditionsFailed
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.security import secretfiles
from neptuneml_plugin.service.security.callers import Callers, is_loopback, load_callers
from neptuneml_plugin.service.security.secretfiles import child_environment, read_keys, read_token
from neptuneml_plugin.service.security.tls import server_context
from tests.running_service import served_process

TOKEN = "6f1c0f8a5f5e4f1fb3a6f0e3f6a1c2d3"


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("LOCALHOST", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("service", False), ("", False)],
)  # fmt: skip
def test_which_addresses_are_of_this_machine_alone(host: str, own: bool) -> None:  # noqa: FBT001
    assert is_loopback(host) is own


def test_an_address_that_others_reach_needs_callers_to_be_asked(tmp_path: Path) -> None:
    config = ServiceConfig(tmp_path, host="0.0.0.0")
    with pytest.raises(PreconditionsFailed, match=r"--token-file or NEPTUNEML_SERVICE_TOKEN.*--keys-file"):
        create_app(config)
    with pytest.raises(PreconditionsFailed, match="token is too short for 0"):
        create_app(replace(config, token="short"))
    assert create_app(replace(config, token=TOKEN))
    assert create_app(replace(config, keys_file=private(tmp_path / "keys", "AK: secret")))
    assert create_app(replace(config, host="127.0.0.1", token="short"))


def test_the_command_refuses_to_start_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "neptuneml_plugin.cli", "serve", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(
        [*command, "--data-root", tmp_path], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: 0.0.0.0 is reached by other machines, so callers must be asked")


def test_the_token_of_a_file(tmp_path: Path) -> None:
    file = private(tmp_path / "token", f"{TOKEN}\n")
    assert read_token(file) == TOKEN
    callers = load_callers(ServiceConfig(tmp_path, token="another", token_file=file))
    assert callers.has_token(f"Bearer {TOKEN}")
    assert not any(map(callers.has_token, ("Bearer another", TOKEN, f"bearer {TOKEN}", "", "Bearer ", "\udcff")))


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [("", 0o600, "must hold the token alone"), ("one two", 0o600, "must hold the token alone"),
     ("é", 0o600, "cannot be read as ASCII"), (TOKEN, 0o644, r"is open to others \(mode 644\); run `chmod 600"),
     (TOKEN, 0o620, "is open to others")],
)  # fmt: skip
def test_files_of_tokens_that_are_refused(tmp_path: Path, text: str, mode: int, says: str) -> None:
    with pytest.raises(InvalidSettings, match=says) as refused:
        read_token(private(tmp_path / "token", text, mode))
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "just text", "AK:", "AK: 5", "5: secret", "AK: [a]"])
def test_files_of_keys_that_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidSettings):
        read_keys(private(tmp_path / "keys", text))
    with pytest.raises(InvalidSettings, match="cannot be read: No such file"):
        read_keys(tmp_path / "nothing")


def test_secrets_that_a_container_is_given_may_have_any_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = private(tmp_path / "token", TOKEN, 0o444)
    monkeypatch.setattr(secretfiles, "MOUNTED_SECRETS", tmp_path)
    assert read_token(file) == TOKEN


def test_no_secret_shows_where_objects_are_printed(tmp_path: Path) -> None:
    callers = Callers(TOKEN, {"AK": "hidden"})
    assert callers.secrets == (TOKEN, "hidden")
    for shown in (repr(callers), str(callers), repr(ServiceConfig(tmp_path, token=TOKEN))):
        assert TOKEN not in shown
        assert "hidden" not in shown


def test_processes_of_the_service_do_not_inherit_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPTUNEML_SERVICE_TOKEN", TOKEN)
    monkeypatch.setenv("NEPTUNEML_DATA_ROOT", "/elsewhere")
    environment = child_environment(ServiceConfig(Path("/root")))
    assert TOKEN not in environment.values()
    assert environment["NEPTUNEML_DATA_ROOT"] == "/root"
    assert environment["PATH"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(tmp_path: Path, authority: trustme.CA) -> ServiceConfig:
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o600)
    for part in issued.cert_chain_pems:
        part.write_to_path(tmp_path / "chain.pem", append=True)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    return ServiceConfig(
        tmp_path / "root", tls_certificate=tmp_path / "chain.pem", tls_key=tmp_path / "key.pem", token="known"
    )


async def test_https(tls: ServiceConfig, authority: trustme.CA) -> None:
    context = server_context(tls)
    assert context is not None
    server = TestServer(create_app(tls), scheme="https")
    await server.start_server(ssl=context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with TestClient(server) as client:
        headers = {"Authorization": "Bearer known", "Origin": f"https://127.0.0.1:{server.port}"}
        answer = await client.get("/ml/endpoints", headers=headers, ssl=trusting)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, headers["Origin"])
        plain = headers | {"Origin": f"http://127.0.0.1:{server.port}"}
        assert (await client.get("/ml/endpoints", headers=plain, ssl=trusting)).status == 403
        old = ssl.create_default_context()
        authority.configure_trust(old)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(OSError, match=r"(?i)ssl"):
            await asyncio.open_connection("127.0.0.1", server.port, ssl=old, server_hostname="localhost")


def test_the_command_serves_https(tls: ServiceConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ["--tls-certificate", str(tls.tls_certificate), "--tls-key", str(tls.tls_key)]
    token = private(tmp_path / "token", TOKEN)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with served_process(tmp_path / "data", *flags, "--token-file", str(token)) as service:
        assert service.url.startswith("https://127.0.0.1:")
        assert ServiceClient(service.url, TOKEN).list_endpoints() == []
        with pytest.raises(AccessDenied):
            ServiceClient(service.url, "wrong").list_endpoints()
        with pytest.raises(NeptuneMLError, match="no service answers"):
            ServiceClient(service.url.replace("https", "http"), TOKEN).list_endpoints()
        cmdline = Path(f"/proc/{service.process.pid}/cmdline").read_bytes()
    assert TOKEN.encode() not in cmdline
    assert TOKEN not in service.log.read_text()


def test_certificates_that_are_refused(tls: ServiceConfig, tmp_path: Path) -> None:
    assert server_context(replace(tls, tls_certificate=None, tls_key=None)) is None
    with pytest.raises(InvalidSettings, match="go together"):
        server_context(replace(tls, tls_key=None))
    with pytest.raises(InvalidSettings, match="is not a PEM certificate that fits"):
        server_context(replace(tls, tls_certificate=private(tmp_path / "other.pem", "nonsense")))
    with pytest.raises(InvalidSettings, match="cannot be read"):
        server_context(replace(tls, tls_key=tmp_path / "nothing"))
    (tmp_path / "key.pem").chmod(0o644)
    with pytest.raises(InvalidSettings, match="is open to others"):
        server_context(tls)


async def test_a_refusal_says_nothing_of_the_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with TestClient(TestServer(create_app(ServiceConfig(tmp_path, token=TOKEN)))) as client:
            answer = await client.get("/ml/endpoints", headers={"Authorization": "Bearer guess-of-mine"})
            text = await answer.text()
    assert answer.status == 403
    for secret in (TOKEN, "guess-of-mine"):
        assert secret not in text
        assert secret not in caplog.text


def test_the_command_line_takes_its_token_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = private(tmp_path / "token", TOKEN)
    with served_process(tmp_path / "data", "--token-file", str(token)) as service:
        command = [sys.executable, "-m", "neptuneml_plugin.cli", "endpoint", "list", "--service", service.url]
        refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        assert (refused.returncode, "the token is missing or wrong" in refused.stderr) == (1, True)
        monkeypatch.setenv("NEPTUNEML_SERVICE_TOKEN_FILE", str(token))
        listed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        assert (listed.returncode, listed.stderr) == (0, "")
