"""Ten thousand random traversals on a real server, each against its reference evaluation."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.testing import FakeService
from tests.gremlin.planted_films import Planted, plant
from tests.gremlin.random_traversals import Grammar
from tests.gremlin.reference import plain
from tests.servers import Connect

BLOCKS, BLOCK = 20, 500


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant()


@pytest.fixture
def g(
    gremlin_server_any_ids: GremlinServer, connect: Connect, fake_service: FakeService, planted: Planted
) -> Iterator[Any]:
    source = connect(gremlin_server_any_ids)
    source.V().has_label("fan", "film").drop().iterate()
    planted.load(source)
    fake_service.endpoints |= planted.endpoints()
    yield source
    source.V().has_label("fan", "film").drop().iterate()


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_traversal_answers_as_its_reference_does(g: Any, planted: Planted, block: int) -> None:
    for number in range(block * BLOCK, (block + 1) * BLOCK):
        plan = Grammar(planted, random.Random(number)).traversal()
        asked = plan.write(g)
        expected = sorted(plain(found.at) for found in plan.run([]))
        assert sorted(plain(found) for found in asked.to_list()) == expected, f"{number}: {asked.bytecode}"
