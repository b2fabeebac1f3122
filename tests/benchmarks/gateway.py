"""A small query over HTTP through the service, beside the same over gremlin-python's own connection to the server.

Run `python -m tests.benchmarks.gateway [--calls N]`; one line of JSON per figure. All are asked in turn, so
that each sees the same of the machine.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gremlin_python.driver.client import Client

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.benchmarks.api import percentiles
from tests.running_service import RunningService, running_service
from tests.servers import make_data_root

QUERY = "g.V(1).values('name')"
EXPECTED = ["marko"]
WARM_UP = 50


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gateway")
    parser.add_argument("--calls", type=int, default=2000, help="of each kind")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="neptuneml-gateway-") as name:
        settings = GremlinServerConfig(make_data_root(Path(name) / "servers"), "modern", port=0)
        with (
            gremlin_server.running_server(settings) as server,
            running_service(Path(name) / "root", gremlin=server.url) as service,
        ):
            for kind, figure in measure(server.url, service, options.calls).items():
                sys.stdout.write(json.dumps({"call": kind, **figure}) + "\n")


def measure(server_url: str, service: RunningService, calls: int) -> Mapping[str, dict[str, float]]:
    """Return what one query takes by each way.

    Raises:
        RuntimeError: a way gives another answer.
    """
    through = f"ws{service.url.removeprefix('http')}/gremlin"
    with (
        _asked_by_driver(server_url) as direct,
        _asked_by_driver(through) as relayed,
        _posted(service.url) as posted,
    ):
        ways = {"gremlin-python": direct, "gremlin-python through the service": relayed, "POST /gremlin": posted}
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(WARM_UP + calls):
            for name, ask in ways.items():
                began = time.perf_counter()
                answer = ask()
                elapsed = 1000 * (time.perf_counter() - began)
                if answer != EXPECTED:
                    raise RuntimeError(f"{name} answers {answer}")
                if number >= WARM_UP:
                    taken[name].append(elapsed)
    return {name: percentiles(milliseconds) for name, milliseconds in taken.items()}


@contextmanager
def _asked_by_driver(url: str) -> Iterator[Callable[[], Any]]:
    with closing(Client(url, "g", pool_size=1)) as client:
        options = {"language": "gremlin-lang"}
        yield lambda: client.submit(QUERY, request_options=options).all().result()


@contextmanager
def _posted(url: str) -> Iterator[Callable[[], Any]]:
    body = json.dumps({"gremlin": QUERY, "language": "gremlin-lang"})
    with closing(http.client.HTTPConnection(urlsplit(url).netloc)) as connection:

        def ask() -> Any:
            connection.request(
                "POST", "/gremlin", body, {"Accept": "application/vnd.gremlin-v3.0+json;types=false"}
            )
            return json.loads(connection.getresponse().read())["result"]["data"]

        yield ask


if __name__ == "__main__":
    main(sys.argv[1:])
