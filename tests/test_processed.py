"""A processed folder is whole or refused: each file that is read from it, missing, cut off or changed."""

import json
from pathlib import Path

import pytest

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processed import open_processed
from neptuneml_plugin.processing import process
from tests.planted import planted_export


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    source = planted_export(folder / "export", Task.NODE_CLASS, nodes=30)
    process.run(ProcessConfig(dgl_graph=False), source, folder / "processed")
    return folder / "processed"


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


#: What no record speaks of: itself, and what people edit.
UNRECORDED = {"processed.json", "model-HPO-configuration.json", "hpo-configuration-templates/rgcn.json"}


def test_every_file_has_a_record_but_those_that_people_edit(whole: Path) -> None:
    names = {path.relative_to(whole).as_posix() for path in files(whole)}
    assert names - set(open_processed(whole).record.files) == UNRECORDED


def test_any_damage_is_named(whole: Path) -> None:
    for path in files(whole):
        name = path.relative_to(whole).as_posix()
        content = path.read_bytes()
        if name in UNRECORDED or not content:
            continue
        try:
            path.unlink()
            with pytest.raises(InvalidData, match=f"lacks {name}"):
                open_processed(whole)
            path.write_bytes(content[:-1])
            with pytest.raises(InvalidData, match=f"{name} has {len(content) - 1} bytes instead of"):
                open_processed(whole, verify=False)
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            with pytest.raises(InvalidData, match=f"{name} has changed since it was written; run `process`"):
                open_processed(whole)
        finally:
            path.write_bytes(content)
    open_processed(whole)


def test_edited_hyperparameters_are_no_damage(whole: Path) -> None:
    path = whole / "model-HPO-configuration.json"
    path.write_text(path.read_text() + "\n")
    open_processed(whole)


@pytest.mark.parametrize(("kind", "read"), [("nodes", "features"), ("nodes", "ids"), ("edges", "ends")])
def test_a_description_of_other_counts_is_refused(whole: Path, kind: str, read: str, tmp_path: Path) -> None:
    document = json.loads((whole / "processed.json").read_text())
    document["schema"][kind][0]["count"] += 1
    (tmp_path / "processed.json").write_text(json.dumps(document | {"files": {}}))
    for name in ("nodes", "edges", "ids"):
        (tmp_path / name).symlink_to(whole / name)
    opened = open_processed(tmp_path)
    calls = {"features": opened.node, "ids": opened.ids, "ends": opened.ends}
    with pytest.raises(InvalidData, match=r"run `process` again"):
        calls[read](0)


def test_a_folder_of_an_earlier_format_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "processed.json").write_text('{"format_version": 1}')
    with pytest.raises(InvalidData, match="format version 1, this release reads 2; run the stage"):
        open_processed(tmp_path)
