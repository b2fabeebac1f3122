"""Logs for programs: one request can be followed from the service to its worker."""

import json
import urllib.request
from pathlib import Path

from tests.made_artifacts import make_artifact
from tests.running_service import served_process

BODY = {"data": {"globalParameters": {"requestId": "of-the-caller"}, "nodes": [{"nodeId": "a"}]}}


def test_a_request_has_one_id_in_service_and_worker(tmp_path: Path) -> None:
    root = tmp_path / "root"
    version = make_artifact(root / "one").version
    with served_process(root, "--log-format", "json") as running:
        running.client.create_endpoint("e", str(root / "one"))
        url = f"{running.url}/endpoints/e/invocations"
        request = urllib.request.Request(url, json.dumps(BODY).encode(), headers={"x-amzn-RequestId": "ours"})
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["x-amzn-RequestId"] == "ours"
        token = running.client.describe_endpoint("e")["token"]
    text = running.log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    (asked,) = [line for line in lines if line.get("callerRequestId") == "of-the-caller"]
    assert 0 < asked["seconds"] < 60
    told = {
        "process": "worker",
        "requestId": "ours",
        "endpoint": "e",
        "version": version,
        "code": "OK",
        "items": 1,
    }
    assert {name: asked[name] for name in told} == told
    (passed,) = [line for line in lines if line["message"] == "passed on"]
    told = {"process": "service", "requestId": "ours", "endpoint": "e", "status": 200}
    assert {name: passed[name] for name in told} == told
    assert token not in text
