"""Several endpoints in one process: each is loaded when it is asked, and the least recently asked give way."""

import asyncio
import contextlib
import gc
import hashlib
import itertools
import logging
from collections.abc import AsyncIterator, Callable

from neptuneml_plugin.artifacts import Manifest, open_artifact
from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.errors import InvalidData, MemoryLimitExceeded
from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.embeddings import Embeddings
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.invocation import Invocation
from neptuneml_plugin.serving.live import Check, Live
from neptuneml_plugin.serving.memory import MEMORY_LOOK_SECONDS, give_back, own_bytes, takes_more_than
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.paths import Paths
from neptuneml_plugin.serving.plain import PlainRequest
from neptuneml_plugin.serving.predict import Predictor

_log = logging.getLogger(__name__)


class Loadable:
    """`predict.Predictor` of an artifact that is opened, and let go, while its endpoint stays."""

    def __init__(self, config: WorkerConfig, version: str) -> None:
        self._config, self._version = config, version
        self._opened: Predictor | None = None

    @property
    def is_open(self) -> bool:
        """Whether it answers."""
        return self._opened is not None

    @property
    def live(self) -> Live:
        """See `Predictor`."""
        return self._predictor.live

    def look_up(self, request: PlainRequest) -> str | None:
        """See `Predictor`."""
        return self._predictor.look_up(request)

    def answer(self, invocation: Invocation, check: Check) -> Answers | Embeddings:
        """See `Predictor`."""
        return self._predictor.answer(invocation, check)

    def open(self) -> None:
        """Verify the artifact and map its arrays.

        Raises:
            InvalidData: it cannot be served, or is no longer what it was.
        """
        manifest, predictor = open_predictor(self._config.artifact, self._config.new_node_vectors)
        if manifest.version != self._version:
            raise InvalidData(f"artifact {self._config.artifact} has changed: it was {self._version}")
        self._opened = predictor

    def let_go(self) -> None:
        """Forget the arrays, and the model with them."""
        self._opened = None

    @property
    def _predictor(self) -> Predictor:
        if self._opened is None:
            raise RuntimeError("asked before it was opened")
        return self._opened


class Tenant:
    """One endpoint at one version."""

    def __init__(self, config: WorkerConfig, manifest: Manifest) -> None:
        self.loadable = Loadable(config, manifest.version)
        self.endpoint = Endpoint(config, manifest, self.loadable)
        self.paths = Paths(self.endpoint)
        #: Requests that need it loaded.
        self.in_use = 0
        #: Greater than that of all who were asked before.
        self.last_use = 0
        self.opening = asyncio.Lock()


class Tenants:
    """All endpoints of a process.

    Args:
        measure: tells how much memory the process takes for itself.
    """

    def __init__(self, measure: Callable[[], int] = own_bytes) -> None:
        self._measure = measure
        self._by_token: dict[bytes, Tenant] = {}
        self._uses = itertools.count(1)

    def of(self, authorization: str) -> Tenant | None:
        """Return whose token a request bears; None: nobody's."""
        return self._by_token.get(_key(authorization))

    @property
    def loaded(self) -> list[str]:
        """The names of those that are loaded, the least recently asked first."""
        return [tenant.endpoint.config.endpoint for tenant in self._loaded()]

    async def enter(self, config: WorkerConfig, address: str, version: str | None = None) -> str:
        """Take an endpoint in, and return its version.

        Args:
            config: as a worker of its own would have it.
            address: of this process, for the warm-up.
            version: the one that it had in an earlier process: it is loaded when it is asked; None: it is loaded
                at once and warmed up, to know that it can be.

        Raises:
            InvalidData: the artifact cannot be served.
            MemoryLimitExceeded: the process would take more than it may with this endpoint alone.
        """
        tenant = Tenant(config, open_artifact(config.artifact, verify=False))
        found = tenant.endpoint.manifest.version
        if version not in (None, found):
            raise InvalidData(f"artifact {config.artifact} has changed: it was {version}")
        key = _key(f"Bearer {config.token}")
        self._by_token[key] = tenant
        if version is None:
            try:
                async with self.using(tenant):
                    await tenant.endpoint.warm_up(address)
                    self._make_room()
                    self._check_room(tenant)
            except BaseException:
                self.leave(config.token)
                raise
        return found

    def leave(self, token: str) -> None:
        """Forget an endpoint; what it is being asked just now is answered."""
        tenant = self._by_token.pop(_key(f"Bearer {token}"), None)
        if tenant is not None and not tenant.in_use:
            tenant.endpoint.close()
            self._let_go(tenant)

    @contextlib.asynccontextmanager
    async def using(self, tenant: Tenant) -> AsyncIterator[Endpoint]:
        """Yield an endpoint that is loaded, and stays so meanwhile.

        Raises:
            InvalidData: it cannot be loaded any more.
        """
        tenant.in_use += 1
        tenant.last_use = next(self._uses)
        try:
            async with tenant.opening:
                if not tenant.loadable.is_open:
                    await asyncio.to_thread(tenant.loadable.open)
                    self._make_room()
            yield tenant.endpoint
        finally:
            tenant.in_use -= 1
            if tenant not in self._by_token.values() and not tenant.in_use:
                tenant.endpoint.close()
                self._let_go(tenant)

    async def watch(self, stop: asyncio.Event, look_seconds: float = MEMORY_LOOK_SECONDS) -> None:
        """Make room as often as it is needed; end the process where nobody is left to give way."""
        while not stop.is_set():
            await asyncio.sleep(look_seconds)
            self._make_room()
            if self._is_above() and not any(one.in_use or one.loadable.is_open for one in self._by_token.values()):
                _log.warning(
                    "%d MiB are more than memoryMib allows (%d)", self._measure() >> 20, self._limit >> 20
                )
                stop.set()

    def close(self) -> None:
        """Drop what is still queued."""
        for tenant in self._by_token.values():
            tenant.endpoint.close()

    @property
    def _limit(self) -> int:
        """The largest of the tenants' bounds; 0: none has one."""
        return max((tenant.endpoint.config.memory_mib for tenant in self._by_token.values()), default=0) << 20

    def _is_above(self) -> bool:
        return takes_more_than(self._limit, self._measure)

    def _loaded(self) -> list[Tenant]:
        found = (tenant for tenant in self._by_token.values() if tenant.loadable.is_open)
        return sorted(found, key=lambda tenant: tenant.last_use)

    def _make_room(self) -> None:
        """Let go who was asked least recently, one after the other, until there is room or all are being asked."""
        while self._is_above():
            idle = next((tenant for tenant in self._loaded() if not tenant.in_use), None)
            if idle is None:
                return
            self._let_go(idle)

    def _check_room(self, tenant: Tenant) -> None:
        config = tenant.endpoint.config
        if self._is_above() and self._loaded() == [tenant]:
            raise MemoryLimitExceeded(
                f"the worker takes {self._measure() >> 20} MiB with endpoint '{config.endpoint}' alone, and "
                f"the memoryMib of its group is {self._limit >> 20}; give it more"
            )

    def _let_go(self, tenant: Tenant) -> None:
        tenant.loadable.let_go()
        gc.unfreeze()  # what a loaded model has frozen
        give_back()


def _key(authorization: str) -> bytes:
    """Return what a token is found by: its hash, so that the time of looking tells nothing of it."""
    return hashlib.sha256(authorization.encode(errors="surrogateescape")).digest()
