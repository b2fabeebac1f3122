"""`/metrics` of the service: its own figures and those of all workers, each family once."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from neptuneml_plugin.service.metrics import render
from tests.made_artifacts import Made, make_artifact
from tests.running_service import eventually_async
from tests.service.test_lifecycle import ASK, Service, service


async def families(running: Service) -> dict[str, list[Any]]:
    answer = await running.client.get("/metrics")
    text = await answer.text()
    assert answer.headers["Content-Type"].startswith("text/plain")
    helped = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(helped) == len(set(helped))
    return {family.name: family.samples for family in text_string_to_metric_families(text)}


async def test_figures_of_every_worker_and_of_the_service(tmp_path: Path) -> None:
    old, new = make_artifact(tmp_path / "old"), make_artifact(tmp_path / "new", Made(seed=1))
    async with service(tmp_path, pin_seconds=1000.0) as running:
        assert "neptuneml_requests" not in await families(running)
        await running.put("e", "old", instanceCount=2)
        await running.put("e", "new", update=True, instanceCount=1)
        make_artifact(tmp_path / "cut")
        (tmp_path / "cut/nodes/1/ids.npy").unlink()
        await running.put("bad", "cut")
        for _ in range(3):
            await running.post("/endpoints/e/invocations", ASK)
        found = await families(running)
        requests = {
            (sample.labels["version"], sample.labels["worker"]): sample.value
            for sample in found["neptuneml_requests"]
            if sample.name.endswith("_total")
        }
        assert requests == {(old.version, "0"): 0, (old.version, "1"): 0, (new.version, "0"): 3}
        assert {sample.labels["state"]: sample.value for sample in found["neptuneml_endpoints"]} == {
            "InService": 1,
            "Failed": 1,
        }
        assert [sample.value for sample in found["neptuneml_worker_up"]] == [1, 1, 1]
        (worker,) = running.workers("e")
        running.process("e").kill()
        await eventually_async(lambda: worker.deaths == 1)
        deaths = [sample.value for sample in (await families(running))["neptuneml_worker_deaths"]]
        assert sorted(deaths) == [0, 0, 1]


async def test_it_wants_the_services_token(tmp_path: Path) -> None:
    async with service(tmp_path, token="a-secret-of-the-service") as running:
        assert (await running.client.get("/metrics")).status == 403


ONE = """# HELP a_seconds Time.
# TYPE a_seconds histogram
a_seconds_bucket{le="1.0",worker="0"} 1.0
a_seconds_bucket{le="+Inf",worker="0"} 2.0
a_seconds_count{worker="0"} 2.0
a_seconds_sum{worker="0"} 3.0
# HELP b_total Count.
# TYPE b_total counter
b_total{worker="0"} 4.0
"""


@pytest.mark.parametrize("count", [0, 1, 3])
def test_texts_of_several_workers_become_one(count: int) -> None:
    texts = [ONE.replace('worker="0"', f'worker="{number}"') for number in range(count)]
    lines = render(texts, []).decode().splitlines()
    assert sorted(line for line in lines if not line.startswith("#")) == sorted(
        line for text in texts for line in text.splitlines() if not line.startswith("#")
    )
    assert len([line for line in lines if line.startswith("# TYPE")]) == (2 if count else 0)
