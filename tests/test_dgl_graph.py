"""Graph files: round trip, and every way in which a file may be incomplete."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from neptuneml_plugin.dgl_graph import dgl, load_graph, save_graph
from neptuneml_plugin.errors import InvalidData


def small_graph() -> dgl.DGLGraph:
    ends = (torch.arange(5), torch.tensor([1, 2, 3, 4, 0]))
    graph = dgl.heterograph(
        {("a", "r", "b"): ends, ("b", "rev-r", "a"): ends[::-1]}, num_nodes_dict={"a": 6, "b": 5}
    )
    graph.nodes["a"].data["x"] = torch.arange(12, dtype=torch.float32).reshape(6, 2)
    graph.edges["r"].data["train_mask"] = torch.tensor([True, False, True, True, False])
    return graph


def test_round_trip(tmp_path: Path) -> None:
    graph = small_graph()
    save_graph(tmp_path / "graph.bin", graph)
    loaded = load_graph(tmp_path / "graph.bin")
    assert loaded.canonical_etypes == graph.canonical_etypes
    assert loaded.num_nodes("a") == 6
    assert torch.equal(loaded.nodes["a"].data["x"], graph.nodes["a"].data["x"])
    assert loaded.edges["r"].data["train_mask"].dtype == torch.bool
    assert torch.equal(loaded.edges["r"].data["train_mask"], graph.edges["r"].data["train_mask"])
    assert torch.equal(loaded.edges(etype="r")[1], torch.tensor([1, 2, 3, 4, 0]))


@pytest.mark.parametrize("missing", [1, 8, 24, 100, 2000])
def test_truncated_file_is_refused(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "graph.bin"
    save_graph(path, small_graph())
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(InvalidData, match=r"graph\.bin is no whole graph .*run `process` again"):
        load_graph(path)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 4096])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "graph.bin").write_bytes(content)
    with pytest.raises(InvalidData, match="is no whole graph"):
        load_graph(tmp_path / "graph.bin")


def test_damaged_inside_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.bin"
    save_graph(path, small_graph())
    content = path.read_bytes()
    path.write_bytes(content[:200] + content[-100:])
    with pytest.raises(InvalidData, match="is no whole graph"):
        load_graph(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"is missing; is .* the output of `process`"):
        load_graph(tmp_path / "graph.bin")


FULL_DISK = """
import resource, sys
from pathlib import Path
from tests.test_dgl_graph import small_graph
from neptuneml_plugin.dgl_graph import save_graph
path = Path(sys.argv[1])
save_graph(path, small_graph())
limit = path.stat().st_size - int(sys.argv[2])
path.unlink()
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    save_graph(path, small_graph())
except OSError as error:
    sys.exit(f"OSError {error}")
"""


@pytest.mark.parametrize("missing", [1, 1500])
def test_full_disk_is_an_error(tmp_path: Path, missing: int) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "graph.bin"), str(missing)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent)
    assert done.returncode == 1
    assert done.stderr.startswith("OSError")
    assert "is the disk full?" in done.stderr


def test_importing_is_quiet_and_writes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", "import torch; import neptuneml_plugin.dgl_graph"]
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("DGLBACKEND", None)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
    assert list(tmp_path.iterdir()) == []
