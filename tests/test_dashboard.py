"""The Grafana dashboard asks for nothing that is not measured, and shows all that is."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from neptuneml_plugin.config import ServiceConfig, WorkerConfig
from neptuneml_plugin.service.endpoints.instances import Instances
from neptuneml_plugin.service.endpoints.record import NO_OPTIONS
from neptuneml_plugin.service.endpoints.workers import Ports
from neptuneml_plugin.service.metrics import endpoint_families, job_family, render
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.opening import open_predictor
from tests.made_artifacts import make_artifact

ROOT = Path(__file__).parents[1]
DASHBOARD = json.loads((ROOT / "compose/grafana/endpoints.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The label names of every sample that there can be."""
    folder = tmp_path_factory.mktemp("artifact")
    make_artifact(folder)
    endpoint = Endpoint(WorkerConfig("e", folder, token="t"), *open_predictor(folder))
    config = ServiceConfig(folder)
    group = Instances("e", folder, NO_OPTIONS, config, Ports(config), lambda *_: None)
    text = render([endpoint.metrics.text().decode()], [*endpoint_families([], [group]), job_family([])]).decode()
    endpoint.close()
    found = {name: {"state"} for name in ("neptuneml_endpoints",)} | {"neptuneml_jobs": {"kind", "state"}}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return {name: labels for name, labels in found.items() if not name.endswith("_created")}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_what_exists(query: str, samples: dict[str, set[str]]) -> None:
    named = re.findall(r"(neptuneml_\w+)(?:\{([^}]*)\})?", query)
    assert named
    for name, selectors in named:
        assert name in samples, name
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|=)", selectors))
        for group in re.findall(r"by \(([^)]*)\)", query):
            labels |= {label.strip() for label in group.split(",")}
        assert labels <= samples[name], (name, labels - samples[name])


def test_every_figure_is_shown_and_told(samples: dict[str, set[str]]) -> None:
    families = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in samples}
    shown = {
        re.sub(r"_(total|bucket|count|sum)$", "", name) for name in re.findall(r"neptuneml_\w+", str(QUERIES))
    }
    assert families == shown
    section = PAGE.partition("## Metrics")[2].partition("\n## ")[0]
    assert {re.sub(r"_total$", "", name) for name in re.findall(r"`(neptuneml_\w+)`", section)} == families


def test_legends_name_labels_that_queries_keep() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            kept = set(re.findall(r"[\w]+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert not kept or named <= kept, panel["title"]
