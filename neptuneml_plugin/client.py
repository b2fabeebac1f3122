"""A small client of the service's endpoints, for the command line and the quickstart."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from neptuneml_plugin.connection import Connection
from neptuneml_plugin.errors import FailureByQuery, PreconditionsFailed

#: How often a state that is about to change is asked for.
POLL_SECONDS = 0.1
#: States that do not change by themselves.
SETTLED = frozenset({"InService", "Failed"})


class ServiceClient(Connection):
    """Speaks to one service of its endpoints."""

    def health(self) -> dict[str, Any]:
        """Return the service's health.

        Raises:
            PreconditionsFailed: nothing listens there.
        """
        return self.call("GET", "/health")

    def wait_until_healthy(self, timeout_seconds: float = 30.0) -> None:
        """Return once the service answers.

        Raises:
            PreconditionsFailed: it does not in time.
        """
        end = time.monotonic() + timeout_seconds
        while True:
            try:
                self.health()
            except PreconditionsFailed:
                if time.monotonic() >= end:
                    raise
                time.sleep(POLL_SECONDS)
            else:
                return

    def create_endpoint(
        self,
        name: str,
        artifact: str | Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        timeout_seconds: float = 600.0,
    ) -> str:
        """Create an endpoint and return its version once it is in service.

        Args:
            name: its id.
            artifact: where the artifact lies, as the service sees it, or the job that made it, such as
                `{"mlModelTrainingJobId": "lib"}`.
            options: such as `instanceCount` (docs/serving.md).
            timeout_seconds: how long that may take.

        Raises:
            FailureByQuery: it failed; the message is the service's reason.
        """
        body = {"id": name, **_source(artifact), **(options or {})}
        self.call("POST", "/ml/endpoints", body)
        return self._wait_until_in_service(name, timeout_seconds)

    def update_endpoint(
        self,
        name: str,
        artifact: str | Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        timeout_seconds: float = 600.0,
    ) -> str:
        """Give an endpoint another artifact and return its version once that is in service.

        Raises:
            FailureByQuery: the update failed; the version before goes on answering.
        """
        if name in self.list_endpoints():
            self._wait_until_settled(name, timeout_seconds)
        body = {"id": name, **_source(artifact), "update": True, **(options or {})}
        self.call("POST", "/ml/endpoints", body)
        return self._wait_until_in_service(name, timeout_seconds)

    def roll_back_endpoint(self, name: str, version: str | None = None, timeout_seconds: float = 600.0) -> str:
        """Bring an endpoint's earlier version back and return it once it is in service.

        Args:
            name: the endpoint.
            version: which; None: the one before.
            timeout_seconds: how long that may take.

        Raises:
            FailureByQuery: it cannot be served any more; the present version goes on answering.
        """
        self._wait_until_settled(name, timeout_seconds)
        path = f"/ml/endpoints/{quote(name, safe='')}/rollback"
        self.call("POST", path, {} if version is None else {"version": version})
        return self._wait_until_in_service(name, timeout_seconds)

    def get_endpoint(self, name: str) -> dict[str, Any]:
        """Return `GET /ml/endpoints/{name}`."""
        return self.call("GET", f"/ml/endpoints/{quote(name, safe='')}")

    def describe_endpoint(self, name: str) -> dict[str, Any]:
        """Return what the plugin is told of an endpoint (`docs/wire.md`, section 1)."""
        return self.call("GET", f"/endpoints/{quote(name, safe='')}")

    def list_endpoints(self) -> list[str]:
        """Return the names of all endpoints, newest first."""
        return self.ids("/ml/endpoints")

    def delete_endpoint(self, name: str) -> None:
        """Delete an endpoint."""
        self.call("DELETE", f"/ml/endpoints/{quote(name, safe='')}")

    def invoke(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask an endpoint (`docs/wire.md`, section 2)."""
        return self.call("POST", f"/endpoints/{quote(name, safe='')}/invocations", body)

    def _wait_until_in_service(self, name: str, timeout_seconds: float) -> str:
        status = self._wait_until_settled(name, timeout_seconds)
        reason = status["endpoint"].get("failureReason")
        if status["status"] == "Failed" or reason:
            raise FailureByQuery(f"endpoint '{name}': {reason}")
        return str(status["version"])

    def _wait_until_settled(self, name: str, timeout_seconds: float) -> dict[str, Any]:
        end = time.monotonic() + timeout_seconds
        while True:
            status = self.get_endpoint(name)
            if status["status"] in SETTLED:
                return status
            if time.monotonic() >= end:
                raise FailureByQuery(
                    f"endpoint '{name}' is still {status['status']} after {timeout_seconds:.0f} s"
                )
            time.sleep(POLL_SECONDS)


def _source(artifact: str | Mapping[str, Any]) -> Mapping[str, Any]:
    return {"artifactLocation": artifact} if isinstance(artifact, str) else artifact
