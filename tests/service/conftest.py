"""A service over the `export` of the test's own module."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from neptuneml_plugin.config import ServiceConfig
from tests.service.stages_service import StagesService, one_at_a_time


@pytest.fixture
def config(tmp_path: Path, export: Path) -> ServiceConfig:
    return one_at_a_time(tmp_path, export)


@pytest.fixture
async def service(config: ServiceConfig) -> AsyncIterator[StagesService]:
    async with StagesService.started(config) as running:
        yield running
