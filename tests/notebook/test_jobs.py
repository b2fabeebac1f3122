"""graph-notebook's `%neptune_ml`, unmodified, against the service: every sub-command, as its guide shows them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import ServiceConfig
from tests.notebook.notebooks import Notebook
from tests.planted import planted_export
from tests.platforms import NEWEST, Platform
from tests.readme import ROOT, SERVICE_PORT, blocks
from tests.threaded_service import threaded_service
from tests.training.graphs import set_hyperparameters

pytestmark = [pytest.mark.notebook, pytest.mark.timeout(1200)]

WAIT = "--wait --wait-interval 1"
#: One document with a block for each phase, as the sample notebooks keep it.
UNIFIED: dict[str, Any] = {
    "dataprocessing": {
        "id": "p",
        "inputDataS3Location": "s3://lib/export",
        "processedDataS3Location": "s3://lib/dp",
        "wait_interval": 1,
    },
    "training": {
        "id": "t",
        "dataProcessingJobId": "p",
        "trainModelS3Location": "s3://lib/train",
        "maxHPONumberOfTrainingJobs": 1,
        "wait_interval": 1,
    },
    "modeltransform": {
        "id": "f",
        "dataProcessingJobId": "p",
        "mlModelTrainingJobId": "t",
        "modelTransformOutputS3Location": "s3://lib/mt",
    },
    "endpoint": {"id": "e", "mlModelTransformJobId": "f", "wait_interval": 1},
}
REQUEST: dict[str, Any] = {
    "outputS3Path": "s3://lib/exports",
    "params": {"endpoint": "localhost", "profile": "neptune_ml"},
    "additionalParams": {
        "neptune_ml": {"targets": [{"node": "person", "property": "name", "type": "classification"}]}
    },
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def local(root: Path, location: str) -> Path:
    """Where an `s3://` location lies that no S3 holds."""
    return root / "s3" / location.removeprefix("s3://")


@pytest.fixture
def port(root: Path) -> Iterator[int]:
    planted_export(root / "s3" / "lib" / "export", Task.NODE_CLASS, nodes=60)
    with threaded_service(ServiceConfig(root)) as port:
        yield port


def test_a_chain_of_cells(notebook: Notebook, port: int, root: Path) -> None:
    """Process, train, transform and serve from one unified document."""
    page, unified = notebook.at(port), json.dumps(UNIFIED)
    started = f"%%neptune_ml dataprocessing start {WAIT} --store-to processing\n{unified}"
    kept = page.run(started, keep=("processing",)).kept["processing"]
    assert kept["status"] == "Completed", kept
    set_hyperparameters(local(root, kept["processingJob"]["outputLocation"]), {"num-epochs": 3})

    started = f"%%neptune_ml training start {WAIT} --store-to training\n{unified}"
    ran = page.run(started, "%neptune_ml training status --job-id t --store-to again", keep=("training", "again"))
    assert ran.kept["training"]["status"] == ran.kept["again"]["status"] == "Completed", ran.kept
    assert ran.kept["training"]["mlModels"]

    started = f"%%neptune_ml modeltransform start --wait --store-to transform\n{unified}"
    ran = page.run(started, "%neptune_ml modeltransform list --store-to listed", keep=("transform", "listed"))
    assert ran.kept["transform"]["status"] == "Completed", ran.kept
    assert ran.kept["listed"] == {"ids": ["f"]}

    created = f"%%neptune_ml endpoint create {WAIT} --store-to endpoint\n{unified}"
    told = "%neptune_ml endpoint status --id e --store-to again"
    kept_of_both = page.run(created, told, keep=("endpoint", "again")).kept
    assert kept_of_both["endpoint"]["status"] == "InService", kept_of_both
    assert kept_of_both["endpoint"]["endpoint"]["name"] == kept_of_both["again"]["endpoint"]["name"] == "e"


def test_lines_send_what_nobody_gave(notebook: Notebook, port: int) -> None:
    """Empty ids, and sentences of help in place of values."""
    page = notebook.at(port)
    locations = "--s3-input-uri s3://lib/export --s3-processed-uri s3://lib/dp"
    instance = "--instance-type ml.r5.large --subnets abc"
    begun = page.run(f"%neptune_ml dataprocessing start {locations} {instance} --store-to begun", keep=("begun",))
    assert len(begun.kept["begun"]["id"]) == 36
    kept = page.run(
        f"%neptune_ml dataprocessing start --job-id p {locations} {WAIT} --store-to done",
        "%neptune_ml dataprocessing status --job-id p --store-to status",
        keep=("done", "status"),
    ).kept
    assert kept["done"]["status"] == kept["status"]["status"] == "Completed"
    refused = {
        "modeltransform start --data-processing-job-id p --model-training-job-id t": "MissingParameterException",
        "endpoint create --model-training-job-id t": "BadRequestException",
        "training start --data-processing-id no --s3-output-uri s3://lib/t": "InvalidParameterException",
        "training status --job-id no": "MLResourceNotFoundException",
        "modeltransform stop --job-id no": "MLResourceNotFoundException",
    }
    ran = page.run(*(f"%neptune_ml {line}" for line in refused))
    for told, (line, code) in zip(ran.outputs, refused.items(), strict=True):
        assert code in told, (line, told)


@pytest.mark.parametrize("platform", [f"TinkerGraph {NEWEST}"], indirect=True)
def test_an_export(notebook: Notebook, platform: Platform, root: Path) -> None:
    """README's own cells: where the service is, and an export there."""
    section = (ROOT / "README.md").read_text().partition("## From Neptune ML")[2].partition("\n## ")[0]
    with threaded_service(ServiceConfig(root, gremlin=platform.server.url)) as port:
        configured, exported = (block.replace(SERVICE_PORT, str(port)) for block in blocks(section, "ipython"))
        page = Notebook(notebook.python, notebook.home, (configured.strip(),))
        ran = page.run(
            f"request = {REQUEST!r}",
            exported.strip().replace("--wait ", f"{WAIT} "),
            f"%neptune_ml export status --job-id missing --export-url localhost:{port}/v1 --export-no-ssl",
            keep=("export",),
        )
        done = ran.kept["export"]
        assert done["status"] == "succeeded", done
        files = local(root, done["outputS3Uri"])
        assert (files / "training-data-configuration.json").is_file()
        assert "MLResourceNotFoundException" in ran.outputs[-1]
        status = f"%neptune_ml export status --job-id {done['jobId']} --export-url localhost:{port}/v1"
        again = page.run(f"{status} --export-no-ssl --store-to again", keep=("again",)).kept["again"]
        assert again["outputS3Uri"] == done["outputS3Uri"]
