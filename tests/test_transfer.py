"""Folders to an S3 and back, and what is left when it fails half-way."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neptuneml_plugin import transfer
from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.errors import (
    BadRequest,
    FailureByQuery,
    InvalidData,
    InvalidParameter,
    PreconditionsFailed,
)
from neptuneml_plugin.locations import Place, policy, resolve
from neptuneml_plugin.transfer import Folders, Limits, fetch, publish
from tests.made_artifacts import make_artifact
from tests.planted import planted_export
from tests.running_service import eventually, served_process
from tests.s3_server import BUCKET, S3Server, s3_server


@pytest.fixture(scope="module")
def shared() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(shared: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Server:
    for name, value in {**shared.environment, "NEPTUNEML_DATA_ROOT": str(tmp_path / "root")}.items():
        monkeypatch.setenv(name, value)
    return shared


def place(server: S3Server, key: str) -> Place:
    return Place(f"s3://{BUCKET}/{key}", None, server.url)


def made(folder: Path, names: tuple[str, ...] = ("a/data.bin", "manifest.json", "more.json")) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name * 1000)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PART_BYTES", 5 << 20)
    folder = made(tmp_path / "folder")
    (folder / "é ü").write_bytes(os.urandom(12 << 20))
    (folder / "empty").touch()
    publish(folder, place(s3, "round/trip"))
    assert s3.keys("round/") == {f"round/trip/{name}" for name in contents(folder)}
    fetch(place(s3, "round/trip"), tmp_path / "back")
    assert contents(tmp_path / "back") == contents(folder)


def test_records_follow_the_data_and_markers_come_last(s3: S3Server, tmp_path: Path) -> None:
    names = ("training.json", "eval.json", "artifact/manifest.json", "artifact/x.npy", "artifact/deep/y.json")
    told: list[str] = []
    publish(made(tmp_path / "f", names), place(s3, "order"), progress=lambda said, _=None: told.append(said))
    assert [said.partition("order/")[2] for said in told] == [
        "artifact/x.npy", "artifact/deep/y.json", "eval.json", "artifact/manifest.json", "training.json",
    ]  # fmt: skip


def test_what_is_there_is_kept_unless_it_may_be_replaced(s3: S3Server, tmp_path: Path) -> None:
    publish(made(tmp_path / "one", ("old", "manifest.json")), place(s3, "kept"))
    with pytest.raises(InvalidParameter, match="is not empty; name another location or pass --overwrite"):
        publish(made(tmp_path / "two"), place(s3, "kept"))
    publish(made(tmp_path / "two"), place(s3, "kept"), overwrite=True)
    assert s3.keys("kept/") == {"kept/a/data.bin", "kept/manifest.json", "kept/more.json"}
    publish(made(tmp_path / "three", ("x",)), place(s3, "kep"))  # a prefix of the name is another place


def test_an_s3_that_dies_in_mid_upload_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    folder = made(tmp_path / "folder", ("a", "b", "c", "manifest.json"))
    seen: list[set[str]] = []
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        there = place(server, "half")
        publish(made(tmp_path / "earlier"), there)

        def dies_at_the_last(message: str, fraction: float | None = None) -> None:
            if message.endswith("/manifest.json"):
                seen.append(server.keys("half/"))
                server.kill()

        with pytest.raises(FailureByQuery, match=r"the S3 at http://127\.0\.0\.1:\d+ does not answer .*try again"):
            publish(folder, there, overwrite=True, progress=dies_at_the_last)
    assert seen == [{"half/a", "half/b", "half/c"}]


def test_an_s3_that_dies_in_mid_download_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        publish(made(tmp_path / "folder"), place(server, "x"))

        def dies(message: str, fraction: float | None = None) -> None:
            if message.endswith("manifest.json"):
                server.kill()

        with pytest.raises(FailureByQuery, match="does not answer"):
            fetch(place(server, "x"), tmp_path / "back", progress=dies)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"]


def test_what_cannot_be_fetched(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRequest, match="nothing below it"):
        fetch(place(s3, "nothing"), tmp_path / "back")
    s3.client.put_object(Bucket=BUCKET, Key="alone", Body=b"x")
    with pytest.raises(BadRequest, match="nothing below it"):
        fetch(place(s3, "alone"), tmp_path / "back")
    with pytest.raises(BadRequest, match="s3://absent/key"):
        fetch(Place("s3://absent/key", None, s3.url), tmp_path / "back")
    publish(made(tmp_path / "folder"), place(s3, "limited"))
    with pytest.raises(InvalidData, match="no more than 2 files"):
        fetch(place(s3, "limited"), tmp_path / "back", Limits(files=2))
    with pytest.raises(InvalidData, match=r"0\.0 GiB"):
        fetch(place(s3, "limited"), tmp_path / "back", Limits(gib=1e-6))
    for name in ("limited/../../escaped", "limited/a/data.bin/inside", "limited//double"):
        s3.client.put_object(Bucket=BUCKET, Key=name, Body=b"x")
        with pytest.raises(InvalidData, match="no file's name"):
            fetch(place(s3, "limited"), tmp_path / "back")
        s3.client.delete_object(Bucket=BUCKET, Key=name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(PreconditionsFailed, match="there are no credentials"):
        fetch(place(s3, "limited"), tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"]


def test_without_s3fs_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(PreconditionsFailed, match=r"pip install 'neptuneml-plugin\[aws\]'"):
        fetch(Place("s3://b/k", None, "http://127.0.0.1:9"), tmp_path / "x")


def test_an_output_that_could_not_be_published_stays(s3: S3Server, tmp_path: Path) -> None:
    location = f"s3://{BUCKET}/stays/out"
    with Folders(policy(tmp_path), tmp_path) as folders:
        folder = made(folders.output(location))
        s3.client.put_object(Bucket=BUCKET, Key="stays/out/other", Body=b"x")
        with pytest.raises(InvalidParameter) as refused:
            folders.publish()
    assert refused.value.__notes__ == [
        f"it stays in {folder}; then: neptuneml copy {folder} {location} --overwrite"
    ]
    assert folder.name == "out"
    with Folders(policy(tmp_path), tmp_path) as folders:
        assert folders.output(location, overwrite=True) == folder  # so that a training goes on where it was
        assert folders.publish() == location
    assert not folder.exists()


def test_what_a_killed_process_fetched_is_removed(tmp_path: Path) -> None:
    dead, alive = tmp_path / "staging/input-999999999-0", tmp_path / f"staging/input-{os.getpid()}-0"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
    with Folders(policy(tmp_path), tmp_path):
        assert not dead.exists()
    assert alive.exists()


def neptuneml(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "neptuneml_plugin.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def test_a_stage_from_s3_to_s3(s3: S3Server, tmp_path: Path) -> None:
    export = planted_export(tmp_path / "export", Task.NODE_CLASS, nodes=60)
    source, target = f"s3://{BUCKET}/exports/one", f"s3://{BUCKET}/processed/one"
    assert neptuneml("copy", export, source).returncode == 0
    done = neptuneml("process", "--input", source, "--output", target, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"] == target
    again = neptuneml("process", "--input", source, "--output", target)
    assert (again.returncode, "is not empty" in again.stderr) == (2, True)
    here = neptuneml("process", "--input", f"file://{export}", "--output", tmp_path / "here")
    assert here.returncode == 0, here.stderr
    assert {f"processed/one/{name}" for name in contents(tmp_path / "here")} == s3.keys("processed/one")
    assert not list((tmp_path / "root/staging").iterdir())


def test_without_an_s3_stage_and_service_see_the_same_buckets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEPTUNEML_DATA_ROOT", str(tmp_path))
    planted_export(tmp_path / "export", Task.NODE_CLASS, nodes=60)
    done = neptuneml("process", "--input", tmp_path / "export", "--output", "s3://bucket/processed")
    assert done.returncode == 0, done.stderr
    found = resolve("s3://bucket/processed", policy(tmp_path, (tmp_path,))).folder
    assert found is not None
    assert (found / "processed.json").is_file()


def test_an_endpoint_from_s3(s3: S3Server, tmp_path: Path) -> None:
    publish_artifact = tmp_path / "artifact"
    version = make_artifact(publish_artifact).version
    publish(publish_artifact, place(s3, "served/one"))
    location, root = f"s3://{BUCKET}/served/one", tmp_path / "service"
    with served_process(root) as service:
        assert service.client.create_endpoint("e", location) == version
        assert service.client.get_endpoint("e")["endpoint"]["outputLocation"] == location
        (fetched,) = (root / "fetched").iterdir()
        (root / "fetched" / "left").mkdir()
    with served_process(root) as service:
        eventually(lambda: service.client.get_endpoint("e")["status"] == "InService")
        assert list((root / "fetched").iterdir()) == [fetched]
        with pytest.raises(FailureByQuery, match="nothing below it"):
            service.client.update_endpoint("e", f"s3://{BUCKET}/served/none")
        assert service.client.get_endpoint("e")["status"] == "InService"


def test_publishing_goes_on_where_it_was_interrupted(s3: S3Server, tmp_path: Path) -> None:
    folder, there = made(tmp_path / "folder"), place(s3, "again")
    s3.client.put_object(Bucket=BUCKET, Key="again/a/data.bin", Body=b"half")
    publish(folder, there)
    assert (
        s3.client.get_object(Bucket=BUCKET, Key="again/a/data.bin")["Body"].read()
        == contents(folder)["a/data.bin"]
    )
    publish(folder, there)  # its last file had gone, and nobody had noted it
    (folder / "manifest.json").write_text("of another one")
    with pytest.raises(InvalidParameter, match="is not empty"):
        publish(folder, there)


def test_a_stage_that_publishes_what_it_keeps(s3: S3Server, tmp_path: Path) -> None:
    export = planted_export(tmp_path / "export", Task.NODE_CLASS, nodes=60)
    command: list[str | Path] = [
        "process",
        "--input",
        export,
        "--output",
        tmp_path / "kept",
        "--publish",
        f"s3://{BUCKET}/kept-too",
    ]
    done = neptuneml(*command)
    assert done.returncode == 0, done.stderr
    names = {f"kept-too/{name}" for name in contents(tmp_path / "kept")}
    assert s3.keys("kept-too/") == names
    s3.client.delete_object(Bucket=BUCKET, Key="kept-too/processed.json")  # as if it had been killed before that
    done = neptuneml(*command)
    assert (done.returncode, "publish:" in done.stderr) == (0, True), done.stderr
    assert s3.keys("kept-too/") == names
