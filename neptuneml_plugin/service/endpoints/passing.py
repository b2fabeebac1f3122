"""An invocation passed on to the instances of a version.

An answer depends on the request alone, so that another instance may be asked the same: as often as nobody took the
request, and once more when its worker died over it.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from neptuneml_plugin import tracing
from neptuneml_plugin.errors import FailureByQuery, TimeLimitExceeded
from neptuneml_plugin.service.endpoints.instances import Instances
from neptuneml_plugin.service.endpoints.workers import Worker

INVOCATION_TIMEOUT_SECONDS = 120.0
#: Workers that may die over one request, which may be the request's doing.
MOST_DEATHS = 2
_PASSED_BACK = ("Content-Type", "Retry-After")


@dataclass(frozen=True)
class Answer:
    """What a worker answered."""

    status: int
    body: bytes
    headers: Mapping[str, str]


async def pass_on(
    body: bytes, instances: Instances, client: aiohttp.ClientSession, headers: Mapping[str, str]
) -> Answer:
    """Return the answer of the least busy instance that can be reached and has room.

    Args:
        body: the invocation.
        instances: who may answer.
        client: asks them.
        headers: sent along.

    Raises:
        FailureByQuery: none can be reached, or those that took the request died.
        TimeLimitExceeded: no answer in time.
    """
    tried: list[Worker] = []
    full: Answer | None = None
    deaths: list[str] = []
    while len(deaths) < MOST_DEATHS and (worker := instances.least_busy(tried)) is not None:
        tried.append(worker)
        try:
            answer = await _ask(worker, body, instances, client, headers)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            continue
        except TimeoutError:
            raise TimeLimitExceeded(
                f"endpoint '{instances.endpoint}' did not answer within {INVOCATION_TIMEOUT_SECONDS:.0f} s"
            ) from None
        except aiohttp.ClientError as error:
            deaths.append(type(error).__name__)
            continue
        if answer.status != 429:
            return answer
        full = answer
    if full is not None:
        return full
    raise FailureByQuery(_trouble(instances.endpoint, tried, deaths))


async def _ask(
    worker: Worker,
    body: bytes,
    instances: Instances,
    client: aiohttp.ClientSession,
    headers: Mapping[str, str],
) -> Answer:
    running = worker.running
    if running is None:
        raise aiohttp.ServerDisconnectedError
    with worker.taken(), tracing.ask("ask worker", endpoint=instances.endpoint, worker=str(worker.number)):
        sent = {"Authorization": f"Bearer {instances.token}", **headers, **tracing.to_pass_on()}
        async with client.post(f"{running.address}/invocations", data=io.BytesIO(body), headers=sent) as answer:
            kept = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
            return Answer(answer.status, await answer.read(), kept)


def _trouble(endpoint: str, tried: list[Worker], deaths: list[str]) -> str:
    if len(deaths) == MOST_DEATHS:
        return f"{MOST_DEATHS} workers of endpoint '{endpoint}' died over this request ({', '.join(deaths)})"
    if tried:
        return f"no worker of endpoint '{endpoint}' can be reached; they are being started again; ask again"
    return f"the worker of endpoint '{endpoint}' has died and is being started again; ask again"
