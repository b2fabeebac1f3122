"""Real clients on the service's port, before a Gremlin Server as TinkerPop ships it, and one with the plugin."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from botocore.config import Config
from gremlin_python.driver.aiohttp.transport import AiohttpTransport
from gremlin_python.driver.client import Client
from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.driver.protocol import GremlinServerError
from gremlin_python.driver.serializer import (
    GraphBinarySerializersV1,
    GraphSONSerializersV2d0,
    GraphSONSerializersV3d0,
)
from gremlin_python.process.anonymous_traversal import traversal
from gremlin_python.process.graph_traversal import __

from neptuneml_plugin import __version__, gremlin_server, jars
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.gremlin_server import free_port
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from neptuneml_plugin.questions import check_plugin
from tests import stock_server
from tests.contract.clients import ask_python
from tests.contract.queries import QUERIES, to_text
from tests.platforms import NEWEST, Platform
from tests.running_service import eventually
from tests.test_cli import neptuneml
from tests.threaded_service import threaded_service

TYPED, UNTYPED = "application/vnd.gremlin-v3.0+json", "application/vnd.gremlin-v3.0+json;types=false"
#: Longer than any test waits.
LONGEST_QUERY_MS = 1_000_000
TOKEN = "of-more-than-sixteen-characters"
EXPECTED = {name: answers for name, (_, answers) in QUERIES.items()}
SERIALIZERS = [GraphBinarySerializersV1, GraphSONSerializersV2d0, GraphSONSerializersV3d0]
#: TinkerPop's own modern graph.
MODERN_SUMMARY = {
    "numNodes": 6, "numEdges": 6, "numNodeLabels": 2, "numEdgeLabels": 2,
    "nodeLabels": ["person", "software"], "edgeLabels": ["created", "knows"],
    "numNodeProperties": 3, "numEdgeProperties": 1,
    "nodeProperties": [{"name": 6}, {"age": 4}, {"lang": 2}], "edgeProperties": [{"weight": 6}],
    "totalNodePropertyValues": 12, "totalEdgePropertyValues": 6,
}  # fmt: skip


@dataclass(frozen=True)
class Gateway:
    """A service on 127.0.0.1 before a Gremlin Server."""

    port: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gremlin"

    @property
    def boto(self) -> Any:
        settings = Config(signature_version=botocore.UNSIGNED, retries={"total_max_attempts": 1})
        return boto3.client("neptunedata", "us-east-1", endpoint_url=self.url, config=settings)

    def post(self, path: str, body: Any, accept: str | None = None) -> tuple[int, Any]:
        """Return status and document; without Content-Type, as notebooks send it."""
        request = urllib.request.Request(f"{self.url}{path}", json.dumps(body).encode(), dict(self.headers))
        request.add_header("Content-Type", "")
        if accept:
            request.add_header("Accept", accept)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def get(self, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", headers=dict(self.headers))
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory, server_data_root: Path) -> Iterator[str]:
    """A server as TinkerPop ships it, which takes WebSockets alone; its address."""
    folder, port = tmp_path_factory.mktemp("stock"), free_port()
    stock_server.unpack(folder, jars.resolve(jars.SERVER_JARS, server_data_root))
    stock_server.add_settings(folder, {"port": port, "evaluationTimeout": LONGEST_QUERY_MS})
    with stock_server.running(folder):
        yield f"ws://localhost:{port}/gremlin"


@pytest.fixture(scope="module")
def gateway(stock: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with threaded_service(ServiceConfig(tmp_path_factory.mktemp("root"), gremlin=stock)) as port:
        yield Gateway(port)


@pytest.fixture(scope="module")
def elsewhere(stock: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that believes itself bound to all addresses."""
    config = ServiceConfig(tmp_path_factory.mktemp("root"), host="0.0.0.0", gremlin=stock, token=TOKEN)
    with threaded_service(config) as port:
        yield Gateway(port, {"Authorization": f"Bearer {TOKEN}"})


@pytest.fixture
def predicting(platform: Platform, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway before a server with the plugin."""
    with threaded_service(ServiceConfig(tmp_path, gremlin=platform.server.url)) as port:
        yield Gateway(port)


on_the_newest = pytest.mark.parametrize("platform", [f"TinkerGraph {NEWEST}"], indirect=True)


# --- boto3 -------------------------------------------------------------------------------------------------------


def test_boto3_executes(gateway: Gateway) -> None:
    query = "g.V().hasLabel('person').order().by('name').limit(2).values('name')"
    answer = gateway.boto.execute_gremlin_query(gremlinQuery=query)
    assert answer["result"]["data"] == {"@type": "g:List", "@value": ["josh", "marko"]}
    assert answer["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert (answer["status"]["code"], answer["status"]["message"]) == (200, "")
    assert answer["status"]["attributes"]["@type"] == "g:Map"
    assert answer["meta"] == answer["result"]["meta"] == {"@type": "g:Map", "@value": []}
    plain = gateway.boto.execute_gremlin_query(gremlinQuery="g.V(1).valueMap()", serializer=UNTYPED)
    assert plain["result"]["data"] == [{"name": ["marko"], "age": [29]}]
    nothing = gateway.boto.execute_gremlin_query(gremlinQuery="g.V().hasLabel('none')")
    assert nothing["result"]["data"] == {"@type": "g:List", "@value": []}


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("g.V(", "MalformedQueryException"),
        ("1/0", "MalformedQueryException"),
        ("g.V().fail('no')", "BadRequestException"),
        (
            "g.with('evaluationTimeout', 100).inject(1).repeat(identity()).until(is(2))",
            "TimeLimitExceededException",
        ),
    ],
)
def test_boto3_raises_neptunes_classes(gateway: Gateway, query: str, error: str) -> None:
    client = gateway.boto
    for call in (client.execute_gremlin_query, client.execute_gremlin_profile_query):
        with pytest.raises(getattr(client.exceptions, error)) as raised:
            call(gremlinQuery=query)
        assert raised.value.response["Error"]["Message"]
        assert "\tat " not in str(raised.value.response)


def test_boto3_explains_and_profiles(gateway: Gateway) -> None:
    explained = gateway.boto.execute_gremlin_explain_query(gremlinQuery="g.V().out('knows').values('name');\n")
    text = explained["output"].read().decode()
    assert "Neptune Gremlin Explain" in text
    assert "Optimized Traversal\n===================\n[TinkerGraphStep(vertex,[]), VertexStep(OUT,[knows]" in text
    profiled = gateway.boto.execute_gremlin_profile_query(
        gremlinQuery="g.V().where(out()).values('name')", results=True, chop=10, serializer=TYPED, indexOps=False
    )
    text = profiled["output"].read().decode()
    assert "Neptune Gremlin Profile" in text
    rows = {
        line.split("  ")[0]: line.split()[1:3] for line in text.splitlines() if line.startswith("TinkerGraphStep")
    }
    assert rows == {"TinkerGraphStep(vertex,[])": ["6", "6"]}
    assert "Query Execution: " in text


def test_boto3_asks_for_the_status(gateway: Gateway) -> None:
    status = gateway.boto.get_engine_status()
    assert (status["status"], status["role"], status["dbEngineVersion"]) == ("healthy", "writer", __version__)
    assert status["gremlin"] == {"version": f"tinkerpop-{NEWEST}"}


def test_boto3_asks_for_a_summary(gateway: Gateway) -> None:
    basic = gateway.boto.get_propertygraph_summary()
    assert (basic["statusCode"], basic["payload"]["version"]) == (200, "v1")
    assert basic["payload"]["graphSummary"] == MODERN_SUMMARY
    detailed = gateway.boto.get_propertygraph_summary(mode="detailed")["payload"]
    assert detailed["lastStatisticsComputationTime"] == basic["payload"]["lastStatisticsComputationTime"]
    graph = detailed["graphSummary"]
    assert sum(structure["count"] for structure in graph["nodeStructures"]) == 6
    assert {
        "count": 1, "nodeProperties": ["age", "name"], "distinctOutgoingEdgeLabels": ["created", "knows"]
    } in graph["nodeStructures"]  # fmt: skip
    assert graph["edgeStructures"] == [{"count": 6, "edgeProperties": ["weight"]}]
    assert gateway.get("/pg/statistics/summary?mode=basic")["payload"]["graphSummary"] == MODERN_SUMMARY
    with pytest.raises(gateway.boto.exceptions.ClientError, match="no mode 'full'"):
        gateway.boto.get_propertygraph_summary(mode="full")


def test_boto3_hears_what_is_not_offered(gateway: Gateway) -> None:
    for call in (gateway.boto.list_gremlin_queries, gateway.boto.list_loader_jobs):
        with pytest.raises(gateway.boto.exceptions.ClientError, match="UnsupportedOperationException") as raised:
            call()
        assert "is not offered: " in str(raised.value)


# --- HTTP --------------------------------------------------------------------------------------------------------


def test_bindings_aliases_and_time(gateway: Gateway) -> None:
    body = {
        "gremlin": "g.V(x).values('name')",
        "bindings": {"x": 2},
        "language": "gremlin-lang",
        "aliases": {"g": "g"},
    }
    status, answer = gateway.post("/gremlin", body, UNTYPED)
    assert (status, answer["result"]["data"]) == (200, ["vadas"])
    status, answer = gateway.post("/gremlin", {"gremlin": "Thread.sleep(60000)", "evaluationTimeout": 50})
    assert (status, answer["code"]) == (500, "TimeLimitExceededException")
    status, answer = gateway.post("/gremlin", {"gremlin": "g.V()", "aliases": {"g": "other"}})
    assert (status, answer["code"]) == (400, "InvalidParameterException")
    assert "[other]" in answer["message"]


def test_get_reads_and_no_more(gateway: Gateway) -> None:
    found = gateway.get("/gremlin?gremlin=g.V(x).values('name')&bindings.x=1")
    assert found["result"]["data"]["@value"] == ["marko"]
    for script, status in (("g.V().drop()", 403), ("g.addV('x')", 403), ("System.exit(0)", 400)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            gateway.get(f"/gremlin?gremlin={script}")
        with refused.value as answer:
            assert answer.code == status
    assert gateway.get("/gremlin?gremlin=g.V().count()")["result"]["data"]["@value"][0]["@value"] == 6


def test_all_batches_in_their_order(gateway: Gateway) -> None:
    status, answer = gateway.post("/gremlin", {"gremlin": "(1..1000).iterator()", "batchSize": 7}, UNTYPED)
    assert (status, answer["result"]["data"]) == (200, list(range(1, 1001)))


def test_an_answer_larger_than_what_is_held_back(gateway: Gateway) -> None:
    status, answer = gateway.post(
        "/gremlin", {"gremlin": "(1..120000).collect { 'x' * 100 + it }", "batchSize": 1000}
    )
    assert (status, answer["status"]["code"]) == (200, 200)
    assert answer["result"]["data"]["@value"] == [f"{'x' * 100}{number}" for number in range(1, 120_001)]


def test_no_part_of_an_answer_passes_for_the_whole(gateway: Gateway) -> None:
    script = "def n = 0; new Iterator() {{ boolean hasNext() {{ true }}; Object next() {{ "
    script += "if (n++ > {}) throw new IllegalStateException('late'); 'x' * 1000 }} }}"
    status, answer = gateway.post("/gremlin", {"gremlin": script.format(1000)})
    assert (status, answer["code"], answer["message"]) == (400, "MalformedQueryException", "late")
    with pytest.raises(Exception, match=r"IncompleteRead|reset|closed"):
        gateway.post("/gremlin", {"gremlin": script.format(20_000)})


def test_who_leaves_frees_the_connection(stock: str, tmp_path: Path) -> None:
    config = ServiceConfig(tmp_path, gremlin=stock, max_gremlin_connections=1)
    with threaded_service(config) as port:
        body = b'{"gremlin": "while (!Boolean.getBoolean(\'left\')) Thread.sleep(50)"}'
        head = f"POST /gremlin HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port)) as leaving:
            leaving.sendall(head.encode() + body)
            eventually(lambda: Gateway(port).post("/gremlin", {"gremlin": "1"})[0] == 429)
        eventually(lambda: Gateway(port).post("/gremlin", {"gremlin": "1"})[0] == 200)
        # Or the server waits for the script at its end.
        Gateway(port).post("/gremlin", {"gremlin": "System.setProperty('left', 'true')"})


_DETACHED = "org.apache.tinkerpop.gremlin.structure.util.detached.DetachedFactory.detach"
#: Groovy for values of every shape.
SHAPES = [
    "g.V().limit(1)",
    "g.E().limit(1)",
    "g.E().limit(1).properties()",
    "g.V().limit(1).properties()",
    "g.V().limit(1).valueMap(true)",
    "g.V().limit(2).out().path()",
    "g.V().group().by('name').by(count())",
    "g.V().groupCount().by(label)",
    "g.V().limit(2).group()",
    "g.E().limit(1).group()",
    "g.E().limit(1).elementMap()",
    "g.V().values('name').fold()",
    "g.V().limit(3).aggregate('x').cap('x')",
    "g.V().limit(1).count()",
    "[1, 1.5d, 1.25, 'a', null, true, 5L]",
    "[1: [a: 2L]]",
    "[1, 2] as Set",
    "[T.id, Direction.OUT]",
    "UUID.fromString('8d2f2f6c-1c2a-4f2e-9d6e-0f3c1b5a7e90')",
    "new Date(5)",
    f"{_DETACHED}(g.V().next(), true)",
    f"{_DETACHED}(g.E().next(), true)",
]


@on_the_newest
def test_what_is_untyped_here_is_so_on_a_server(platform: Platform, predicting: Gateway) -> None:
    direct = Gateway(platform.server.port)
    for script in SHAPES:
        here, there = (each.post("/gremlin", {"gremlin": script}, UNTYPED) for each in (predicting, direct))
        assert (script, here[1]["result"]["data"]) == (script, there[1]["result"]["data"])


# --- gremlin-python ----------------------------------------------------------------------------------------------


@on_the_newest
@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_ml_queries_over_websocket(platform: Platform, predicting: Gateway, serializer: Any) -> None:
    connection = DriverRemoteConnection(predicting.ws_url, "g", message_serializer=serializer())
    try:
        g = traversal().with_(connection)
        assert {name: ask_python(g, steps) for name, steps in platform.queries.items()} == EXPECTED
    finally:
        connection.close()


@on_the_newest
def test_ml_queries_over_http(platform: Platform, predicting: Gateway) -> None:
    for name, steps in platform.queries.items():
        status, answer = predicting.post("/gremlin", {"gremlin": to_text(steps)}, UNTYPED)
        assert (status, answer["result"]["data"]) == (200, EXPECTED[name])


@on_the_newest
def test_the_plugins_failures_over_http(platform: Platform, predicting: Gateway) -> None:
    query = "g.V().properties('age').with('Neptune#ml.regression')"
    status, answer = predicting.post("/gremlin", {"gremlin": query})
    assert (status, answer["code"]) == (400, "MissingParameterException")
    assert answer["message"].startswith("no endpoint is named")
    query = query.replace("g.", "g.with('Neptune#ml.endpoint', 'none').")
    with pytest.raises(predicting.boto.exceptions.BadRequestException, match="endpoint 'none' was not found"):
        predicting.boto.execute_gremlin_query(gremlinQuery=query)


@on_the_newest
def test_explain_names_the_ml_step(predicting: Gateway) -> None:
    query = "g.with('Neptune#ml.endpoint','age').V().properties('age').with('Neptune#ml.regression')"
    for call in (predicting.boto.execute_gremlin_explain_query, predicting.boto.execute_gremlin_profile_query):
        assert "age" in call(gremlinQuery=query)["output"].read().decode().split("Traversal")[-1]


@pytest.mark.parametrize("serializer", [GraphBinarySerializersV1, GraphSONSerializersV3d0])
def test_large_results_over_websocket(gateway: Gateway, serializer: Any) -> None:
    client = Client(
        gateway.ws_url, "g", message_serializer=serializer(),
        transport_factory=lambda: AiohttpTransport(max_content_length=64 << 20),
    )  # fmt: skip
    try:
        (text,) = client.submit("'x' * (20 * 1024 * 1024)").all().result()
        assert len(text) == 20 << 20
        (length,) = client.submit("x.length()", {"x": "y" * (8 << 20)}).all().result()
        assert length == 8 << 20
    finally:
        client.close()


@pytest.mark.parametrize("serializer", [GraphBinarySerializersV1, GraphSONSerializersV3d0])
def test_no_code_from_elsewhere(elsewhere: Gateway, serializer: Any) -> None:
    settings = {"message_serializer": serializer(), "headers": elsewhere.headers}
    connection = DriverRemoteConnection(elsewhere.ws_url, "g", **settings)
    client = Client(elsewhere.ws_url, "g", **settings)
    try:
        g = traversal().with_(connection)
        assert g.V().has("name", "marko").out("knows").values("age").sum_().to_list() == [59]
        for refused in (g.V().map(lambda: "it.get()"), g.V().where(__.filter_(lambda: "true"))):
            with pytest.raises(GremlinServerError, match="AccessDeniedException: lambdas are code"):
                refused.to_list()
        with pytest.raises(GremlinServerError, match=r"io\(\) reads and writes the server's files"):
            g.io("/tmp/x.json").write().iterate()
        assert client.submit("g.V(x).values('name')", {"x": 1}).all().result() == ["marko"]
        with pytest.raises(GremlinServerError, match="Failed to interpret Gremlin query"):
            client.submit("System.getProperty('user.name')").all().result()
    finally:
        client.close()
        connection.close()


def test_no_code_from_elsewhere_over_http(elsewhere: Gateway) -> None:
    assert elsewhere.post("/gremlin", {"gremlin": "g.V().count()"}, UNTYPED)[1]["result"]["data"] == [6]
    for body in ({"gremlin": "1 + 1"}, {"gremlin": "1 + 1", "language": "gremlin-groovy"}):
        for path in ("/gremlin", "/gremlin/explain", "/gremlin/profile"):
            status, answer = elsewhere.post(path, body)
            assert (status, answer["code"]) == (400, "MalformedQueryException")
    status, answer = elsewhere.post("/gremlin", {"gremlin": "g.io('/tmp/x.json').write()"})
    assert (status, answer["code"]) == (403, "AccessDeniedException")
    assert elsewhere.get("/status")["gremlin"] == {"version": f"tinkerpop-{NEWEST}"}


# --- learning --------------------------------------------------------------------------------------------------


QUERY = 'g.V().hasLabel("person").values("age").with("Neptune#ml.regression")'


def test_nothing_is_learned_that_could_not_be_asked(gateway: Gateway) -> None:
    """Without the plugin, stored values would pass for predictions."""
    done = neptuneml("learn", QUERY, env={"NEPTUNEML_SERVICE_URL": gateway.url})
    assert (done.returncode, done.stdout) == (1, "")
    (said,) = done.stderr.splitlines()
    assert said.endswith(
        "the Gremlin Server would not ask for the predictions: it lacks the plugin; "
        "`neptuneml plugin` says how to add it"
    )
    assert gateway.get("/ml/chains") == {"ids": []}


@on_the_newest
def test_a_server_whose_plugin_reaches_a_service_can_be_learned_from(predicting: Gateway) -> None:
    check_plugin(predicting.url, None)


def test_a_plugin_that_reaches_no_service_is_told(server_data_root: Path, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    settings = GremlinServerConfig(server_data_root, "empty", port=0, service_url=nobody, heap_mib=256)
    with (
        gremlin_server.running_server(settings) as server,
        threaded_service(ServiceConfig(tmp_path, gremlin=server.url)) as port,
        pytest.raises(PreconditionsFailed, match=rf"predictions: the service at {nobody} cannot be reached"),
    ):
        check_plugin(f"http://127.0.0.1:{port}", None)
