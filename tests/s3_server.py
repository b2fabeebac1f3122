"""An S3 on this machine, in a process of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3

from neptuneml_plugin.gremlin_server import free_port
from tests.running_service import eventually

BUCKET = "lib"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "hidden-secret",
    "AWS_DEFAULT_REGION": "eu-west-1",
}
_PROGRAM = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])"


@dataclass(frozen=True)
class S3Server:
    """A server with one bucket."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def client(self) -> Any:
        """boto3's client."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id="tester",
            aws_secret_access_key="hidden-secret",
        )

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that uses it."""
        return {**CREDENTIALS, "NEPTUNEML_S3_ENDPOINT": self.url}

    def keys(self, prefix: str = "") -> set[str]:
        """Return the keys of all objects."""
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return {each["Key"] for each in listed.get("Contents", ())}

    def kill(self) -> None:
        """End it at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start a server on any free port and end it."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | CREDENTIALS,
    )  # fmt: skip
    with process:
        try:
            eventually(lambda: _answers(port))
            server = S3Server(f"http://127.0.0.1:{port}", process)
            server.client.create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
            )
            yield server
        finally:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
