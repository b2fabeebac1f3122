"""A few strikes of each kind; `make chaos` makes more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.chaos.rig import KINDS, Kind, Rig, Victim, strikes


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, server_data_root: Path) -> Iterator[Rig]:
    with gremlin_server.running_server(GremlinServerConfig(server_data_root, "modern", port=0)) as server:
        made = Rig(tmp_path_factory.mktemp("chaos") / "root", server.url)
        made.prepare()
        yield made


@pytest.mark.parametrize(
    ("kind", "victim", "moment"),
    [
        pytest.param(kind, victim, moment, id=f"{kind.name}-{victim}-{moment:.2f}")
        for kind in KINDS
        for victim, moment in strikes(kind, 3, seed=1)
    ],
)
def test_whatever_is_killed_the_job_ends_well(rig: Rig, kind: Kind, victim: Victim, moment: float) -> None:
    strike = rig.strike(kind, victim, moment)
    assert (strike.state, strike.faults) == (kind.done, ())
