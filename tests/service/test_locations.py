from pathlib import Path

import pytest

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import BadRequest, NeptuneMLError
from neptuneml_plugin.service.locations import resolve_folder


@pytest.fixture
def config(tmp_path: Path) -> ServiceConfig:
    for name in ("root/a b", "root/s3/bucket/key", "allowed/x", "secret/x"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "root/file").write_text("x")
    (tmp_path / "root/out").symlink_to(tmp_path / "secret")
    (tmp_path / "root/in").symlink_to(tmp_path / "allowed")
    (tmp_path / "root/loop").symlink_to(tmp_path / "root/loop")
    return ServiceConfig(tmp_path / "root", allow_paths=(tmp_path / "allowed",))


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("{}/root/a b", "root/a b"),
        ("file://{}/root/a%20b", "root/a b"),
        ("file://localhost{}/allowed/x", "allowed/x"),
        ("s3://bucket/key", "root/s3/bucket/key"),
        ("s3://bucket/key/", "root/s3/bucket/key"),
        ("{}/root/in/x", "allowed/x"),
        ("{}/root/../allowed", "allowed"),
    ],
)
def test_folders_that_may_be_read(tmp_path: Path, config: ServiceConfig, location: str, found: str) -> None:
    assert resolve_folder(location.format(tmp_path), config) == tmp_path / found


@pytest.mark.parametrize(
    ("location", "kind", "says"),
    [
        ("{}/secret/x", BadRequest, r"lies outside the data root .*`--allow-path \S*/secret/x`"),
        ("{}/root/../secret/x", BadRequest, "outside"),
        ("{}/root/out/x", BadRequest, "outside"),
        ("file://{}/root/..%2fsecret", BadRequest, "outside"),
        ("s3://bucket/../../../secret", BadRequest, r"'\.\.' part"),
        ("s3://../../secret", BadRequest, "names no bucket"),
        ("{}/root/nothing", BadRequest, "is not a folder"),
        ("{}/root/file", BadRequest, "is not a folder"),
        ("s3://bucket/nothing", BadRequest, "is not a folder"),
        ("{}/root/loop", BadRequest, "cannot be read"),
        ("relative/path", BadRequest, "neither an absolute path"),
        ("https://host/x", BadRequest, "neither an absolute path"),
        ("file://elsewhere/x", BadRequest, "names another machine"),
        ("{}/root/\0", BadRequest, "cannot be read"),
        ("//[", BadRequest, "cannot be read"),
        ("{}/root/" + "x" * 300, BadRequest, "cannot be read|not a folder"),
        ("{}/root/" + "x" * 5000, BadRequest, "characters; at most 4,096"),
    ],
)
def test_others_are_refused(
    tmp_path: Path, config: ServiceConfig, location: str, kind: type[NeptuneMLError], says: str
) -> None:
    with pytest.raises(kind, match=says):
        resolve_folder(location.format(tmp_path), config)
