"""What locations mean, with an S3 and without."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.errors import BadRequest, InvalidSettings, NeptuneMLError
from neptuneml_plugin.locations import Place, Policy, policy, resolve, s3_endpoint, split_s3

SERVER = "https://s3.example:9000"


def test_without_an_s3_its_buckets_are_folders(tmp_path: Path) -> None:
    for allowed in (policy(tmp_path), policy(tmp_path, (tmp_path,))):
        place = resolve("s3://bucket/some/key/", allowed)
        assert place == Place("s3://bucket/some/key/", tmp_path / "s3/bucket/some/key")
        assert not place.is_remote
        child = place.child("job-1")
        assert child == Place("s3://bucket/some/key/job-1", tmp_path / "s3/bucket/some/key/job-1")


def test_with_one_they_are_its_own(tmp_path: Path) -> None:
    place = resolve("s3://bucket/key", Policy(tmp_path, (tmp_path,), SERVER))
    assert place == Place("s3://bucket/key", None, SERVER)
    assert place.is_remote
    assert place.child("x").location == "s3://bucket/key/x"
    assert resolve(str(tmp_path), Policy(tmp_path, (tmp_path,), SERVER)).folder == tmp_path


def test_the_command_line_may_name_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve("relative/path", policy(tmp_path / "root")).folder == tmp_path / "relative/path"
    assert resolve(f"file://{tmp_path}/a%20b", policy(tmp_path / "root")).folder == tmp_path / "a b"
    with pytest.raises(BadRequest, match="neither an absolute path"):
        resolve("gs://bucket/key", policy(tmp_path))


@pytest.mark.parametrize("begin", ["/", "s3://bucket/", "file:///", "gs://", ""])
def test_a_location_of_any_length_is_told_in_a_few_words(tmp_path: Path, begin: str) -> None:
    with pytest.raises(BadRequest, match="has 100,000 characters; at most 4,096") as refused:
        resolve(begin.ljust(100_000, "a"), policy(tmp_path, (tmp_path,)))
    assert len(str(refused.value)) < 200


def test_no_link_leads_out_of_the_buckets(tmp_path: Path) -> None:
    (tmp_path / "s3/bucket").mkdir(parents=True)
    (tmp_path / "s3/bucket/out").symlink_to("/etc")
    for allowed in (policy(tmp_path), policy(tmp_path, (tmp_path,))):
        with pytest.raises(BadRequest, match="outside"):
            resolve("s3://bucket/out/ssl", allowed)


@pytest.mark.parametrize(
    "location",
    ["s3://", "s3:///key", "s3://../../secret", "s3://bucket/../../secret", "s3://bucket/a//b", "s3://bucket/./a",
     "s3://bucket/a/..", "s3://169.254.169.254/latest", "s3://user@host/key", "s3://host:9000/key", "s3://[::1]/key",
     "s3://bucket/\0", "s3://bucket/a\\..\\b", "s3://a..b/key", "s3://bucket/a\nb", "s3://é/key", "s3://a?b/key"],
)  # fmt: skip
@pytest.mark.parametrize("endpoint", [None, SERVER])
def test_names_that_are_none(tmp_path: Path, location: str, endpoint: str | None) -> None:
    with pytest.raises(BadRequest):
        resolve(location, Policy(tmp_path, (tmp_path,), endpoint))


@given(st.text(max_size=40))
def test_no_location_leads_out(text: str) -> None:
    root = Path("/nowhere/root")
    for location in (text, f"s3://{text}", f"s3://bucket/{text}", f"file://{text}", f"{root}/{text}"):
        try:
            place = resolve(location, Policy(root / "s3", (root,)))
        except NeptuneMLError:
            continue
        assert place.folder is not None
        assert place.folder.is_relative_to(root)


@given(st.text(max_size=40))
def test_no_key_climbs(text: str) -> None:
    try:
        bucket, key = split_s3(f"s3://bucket/{text}")
    except BadRequest:
        return
    assert bucket == "bucket"
    assert ".." not in key.split("/")


def test_names_of_children_do_not_climb(tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        resolve("s3://bucket/key", policy(tmp_path)).child("../other")


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"AWS_ACCESS_KEY_ID": "x", "AWS_ENDPOINT_URL": SERVER}, None),
        ({"NEPTUNEML_S3_ENDPOINT": "aws"}, "aws"),
        ({"NEPTUNEML_S3_ENDPOINT": f"{SERVER}/"}, SERVER),
        ({"AWS_ENDPOINT_URL_S3": SERVER}, SERVER),
        ({"AWS_ENDPOINT_URL_S3": SERVER, "NEPTUNEML_S3_ENDPOINT": "aws"}, "aws"),
        ({"NEPTUNEML_S3_ENDPOINT": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000"),
    ],
)
def test_which_s3(environment: dict[str, str], found: str | None) -> None:
    assert s3_endpoint(environment) == found


@pytest.mark.parametrize(
    "url",
    ["yes", "s3.example", "ftp://s3.example", "https://", "https://user:word@s3.example", "https://s3.example?x=y",
     "http://169.254.169.254", "http://[fe80::1]:80"],
)  # fmt: skip
def test_addresses_that_are_no_s3(url: str) -> None:
    with pytest.raises(InvalidSettings, match="NEPTUNEML_S3_ENDPOINT"):
        s3_endpoint({"NEPTUNEML_S3_ENDPOINT": url})
