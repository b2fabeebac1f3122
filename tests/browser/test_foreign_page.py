"""A web page of another origin, in a real browser, that tries to use the service of the machine it is shown on."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.browser.chromium import browser
from tests.made_artifacts import make_artifact
from tests.running_service import RunningService, served_process

pytestmark = pytest.mark.browser

#: What a page can send without asking the server first: a form's content types, and a WebSocket.
ATTACK = """
(async () => {
  const service = %s, told = [];
  const attempt = async (name, action) => {
    try { told.push([name, await action()]); } catch (error) { told.push([name, "refused"]); }
  };
  const body = JSON.stringify({id: "planted", artifactLocation: "s3://b/planted"});
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json"])
    await attempt("read " + type, async () => {
      const headers = {"Content-Type": type};
      return await (await fetch(service + "/ml/endpoints", {method: "POST", body, headers})).text();
    });
  for (const path of ["/ml/dataprocessing", "/ml/modeltraining", "/ml/modeltransform", "/ml/endpoints"])
    await attempt("send " + path, async () => {
      const answer = await fetch(service + path, {method: "POST", body, mode: "no-cors"});
      return answer.type;
    });
  await attempt("delete", async () => (await fetch(service + "/ml/endpoints/kept", {method: "DELETE"})).status);
  await attempt("socket", () => new Promise((done, failed) => {
    const socket = new WebSocket(service.replace("http", "ws") + "/gremlin");
    socket.onopen = () => done("open");
    socket.onerror = () => failed(new Error("refused"));
  }));
  return told;
})()
"""


@pytest.fixture
async def site() -> AsyncIterator[str]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>a page</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with served_process(tmp_path / "service") as running:
        make_artifact(tmp_path / "service/s3/b/kept")
        running.connection.call("POST", "/ml/endpoints", {"id": "kept", "artifactLocation": "s3://b/kept"})
        yield running


async def test_a_foreign_page_reads_and_changes_nothing(
    site: str, service: RunningService, tmp_path: Path
) -> None:
    async with browser(tmp_path / "profile") as opened:
        await opened.visit(site)
        told = dict(await opened.value(ATTACK % json.dumps(service.url)))
    sent = {name: answer for name, answer in told.items() if name.startswith("send ")}
    # a page learns nothing of what it may send: `opaque` is all that the browser tells it, or nothing
    assert set(sent.values()) <= {"opaque", "refused"}
    assert {name: answer for name, answer in told.items() if name not in sent} == {
        "read text/plain": "refused",
        "read application/x-www-form-urlencoded": "refused",
        "read application/json": "refused",
        "delete": "refused",
        "socket": "refused",
    }
    assert service.client.list_endpoints() == ["kept"]


async def test_the_same_page_may_where_it_is_allowed(site: str, tmp_path: Path) -> None:
    """Shows that the page's requests are good ones, so that it is the check of origins that stops them."""
    origin = site.rstrip("/")
    with served_process(tmp_path / "service", "--allow-origin", origin) as service:
        make_artifact(tmp_path / "service/s3/b/planted")
        async with browser(tmp_path / "profile") as opened:
            await opened.visit(site)
            told = dict(await opened.value(ATTACK % json.dumps(service.url)))
        assert '"id": "planted"' in told["read text/plain"]
        assert service.client.list_endpoints() == ["planted"]
