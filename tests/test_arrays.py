import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neptuneml_plugin.arrays import Array, map_array, read_blocks, save_array, save_blocks

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.arange(6, dtype=np.float32).reshape(2, 3).T,
    np.arange(5),
    np.array([True, False]),
    np.zeros((0, 3), np.float32),
    np.zeros((3, 0), np.float32),
    np.zeros(0, np.int32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{list(array.shape)}")
def test_an_array_comes_back(array: Array, tmp_path: Path) -> None:
    save_array(tmp_path / "a.npy", array)
    for loaded in (map_array(tmp_path / "a.npy"), np.load(tmp_path / "a.npy")):
        assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)
        assert np.array_equal(loaded, array)


def test_blocks_make_one_array(tmp_path: Path) -> None:
    whole = np.arange(10, dtype=np.float64).reshape(5, 2)
    save_blocks(tmp_path / "a.npy", whole.shape, np.float32, (whole[i : i + 2] for i in range(0, 5, 2)))
    assert np.array_equal(map_array(tmp_path / "a.npy"), whole.astype(np.float32))


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{list(array.shape)}")
@pytest.mark.parametrize("cells", [1, 4, 100])
def test_an_array_is_read_in_blocks_of_rows(array: Array, cells: int, tmp_path: Path) -> None:
    save_array(tmp_path / "a.npy", array)
    blocks = list(read_blocks(tmp_path / "a.npy", cells))
    assert all(block.size <= max(cells, array[:1].size) for block in blocks)
    assert np.array_equal(np.concatenate([array[:0], *blocks]), array)


def test_an_array_that_ends_too_early_is_no_whole_one(tmp_path: Path) -> None:
    save_array(tmp_path / "a.npy", np.zeros((9, 2)))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"a\.npy ends after 8 rows"):
        list(read_blocks(tmp_path / "a.npy", 4))


def test_changes_stay_in_memory(tmp_path: Path) -> None:
    save_array(tmp_path / "a.npy", np.zeros(3))
    map_array(tmp_path / "a.npy")[:] = 1
    assert map_array(tmp_path / "a.npy").tolist() == [0, 0, 0]


FULL_DISK = """
import errno, resource, signal, sys
from pathlib import Path
import numpy as np
from neptuneml_plugin.arrays import save_array
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save_array(Path(sys.argv[1]), np.zeros(10_000))
except OSError as error:
    sys.exit(3 if error.errno == errno.EFBIG else 4)
"""


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path / "a.npy")], check=False)
    assert done.returncode == 3
