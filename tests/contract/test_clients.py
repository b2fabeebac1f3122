import pytest
from gremlin_python.driver.serializer import (
    GraphBinarySerializersV1,
    GraphSONSerializersV2d0,
    GraphSONSerializersV3d0,
)
from tests.contract.clients import ask_python
from tests.contract.queries import QUERIES


@pytest.mark.parametrize("serializer", [GraphBinarySerializersV1, GraphSONSerializersV3d0], ids=lambda s: s.__name__)
@pytest.mark.parametrize("name", QUERIES)
def test_gremlin_python(platform, connect, serializer, name):
    assert ask_python(connect(platform.server, serializer()), platform.queries[name]) == QUERIES[name][1]
