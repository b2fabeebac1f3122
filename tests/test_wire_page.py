"""docs/wire.md names every call of the management API, and every member that a status has beyond Neptune's."""

import re
from pathlib import Path

import pytest

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.jobs.record import JobState
from neptuneml_plugin.service.openapi import described_routes
from neptuneml_plugin.service.wire.exports import STATUS
from neptuneml_plugin.service.wire.schemas import ANSWERS

PAGE = (Path(__file__).parents[1] / "docs" / "wire.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## 4.") : PAGE.index("## 5.")]
KINDS = re.compile("/(dataprocessing|modeltraining|modeltransform)(?=/|$)")
#: What the page says of jobs holds of these too ("also of …").
ALSO = re.compile("^(/neptune-export|/ml/chains|/ml/endpoints)")


def calls() -> list[tuple[str, str]]:
    """Return method and path of what the page must name, the kinds of job as one."""
    router = create_app(ServiceConfig(Path("unused"))).router
    found = {
        (method, KINDS.sub("/{kind}", path.removeprefix("/v1"))) for method, path, _ in described_routes(router)
    }
    return sorted(call for call in found if call[1].startswith(("/ml/", "/neptune-export")))


@pytest.mark.parametrize(("method", "path"), calls())
def test_every_call_stands_on_the_page(method: str, path: str) -> None:
    names = {path, ALSO.sub("/ml/{kind}", path)}
    assert any(f"`{method} {name}`" in SECTION for name in names), f"{method} {path}"


@pytest.mark.parametrize("answer", ["DataProcessingJob", "ModelTrainingJob", "ModelTransformJob", "Endpoint"])
def test_every_member_of_a_status_stands_on_the_page(answer: str) -> None:
    for name in ANSWERS[answer]["properties"]:
        assert f"`{name}`" in SECTION or f'"{name}"' in SECTION, name


def test_the_words_of_an_export_stand_on_the_page() -> None:
    assert set(STATUS) == set(JobState)
    for word in STATUS.values():
        assert f"`{word}`" in SECTION
