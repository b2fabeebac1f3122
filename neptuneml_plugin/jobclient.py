"""A small client of the service's jobs and chains, for the command line."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from neptuneml_plugin.connection import Connection

#: How often the state of a job is asked for, seconds.
POLL_SECONDS = 0.5
CHAIN = "chain"
#: Kind -> where its jobs are.
PATHS: Mapping[str, str] = {
    "export": "/neptune-export",
    "dataprocessing": "/ml/dataprocessing",
    "modeltraining": "/ml/modeltraining",
    "modeltransform": "/ml/modeltransform",
    CHAIN: "/ml/chains",
}
#: What an export's states are called elsewhere.
_EXPORT_STATES = {"pending": "InProgress", "running": "InProgress", "succeeded": "Completed", "failed": "Failed"}
ENDED = frozenset({"Completed", "Failed", "Stopped"})


class JobClient(Connection):
    """Speaks to one service of its jobs."""

    def start(self, kind: str, body: Mapping[str, Any]) -> str:
        """Start a job, or a chain, and return its id."""
        begun = self.call("POST", PATHS[kind], body)
        return str(begun.get("id") or begun["jobId"])

    def status(self, kind: str, job_id: str) -> dict[str, Any]:
        """Return a job's status, in the same words for all kinds."""
        document = self.call("GET", _path(kind, job_id))
        state = document["status"]
        return document | {"id": job_id, "status": _EXPORT_STATES.get(state, state)}

    def list(self, kind: str, state: str | None = None) -> list[str]:
        """Return the ids of all jobs of a kind, or of those in a state, newest first."""
        return self.ids(PATHS[kind], {} if state is None else {"state": state})

    def wait(
        self, kind: str, job_id: str, told: Callable[[dict[str, Any]], None], poll_seconds: float = POLL_SECONDS
    ) -> dict[str, Any]:
        """Return a job's status once it has ended.

        Args:
            kind: its kind.
            job_id: its id.
            told: called with each status.
            poll_seconds: how often it is asked for.
        """
        while True:
            status = self.status(kind, job_id)
            told(status)
            if status["status"] in ENDED:
                return status
            time.sleep(poll_seconds)

    def cancel(self, kind: str, job_id: str, *, clean: bool = False, purge: bool = False) -> str:
        """Stop a job, or forget one that has ended, and return its state."""
        query = urlencode({"clean": str(clean).lower(), "purge": str(purge).lower()})
        return str(self.call("DELETE", f"{_path(kind, job_id)}?{query}")["status"])

    def log(self, kind: str, job_id: str, begin: int = 0) -> bytes:
        """Return what a job has printed, from a byte on."""
        return self.bytes_from(f"{_path(kind, job_id)}/log", begin)


def _path(kind: str, job_id: str) -> str:
    return f"{PATHS[kind]}/{quote(job_id, safe='')}"
