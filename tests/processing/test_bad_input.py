"""Exports changed by hand, cut off, or made by someone else: an answer or a clear error, never half a folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neptuneml_plugin.config import ProcessConfig
from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.processed import open_processed
from neptuneml_plugin.processing import process
from neptuneml_plugin.stage import Summary
from tests.processing.exports import configuration, edge, feature, node, write_export
from tests.processing.mutations import CONFIGURATION, EXPORTS, SCHEMA, Files, broken

#: What a message names beside files: members of the configuration.
MEMBERS = ("graph", "labels", "version", "query_engine")


def write(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def outcome(source: Path, target: Path) -> Summary | NeptuneMLError:
    try:
        return process.run(ProcessConfig(dgl_graph=False), source, target)
    except NeptuneMLError as error:
        return error


def processed(files: Files, folder: Path) -> str | None:
    """Process files; return the error's message, None where they are right."""
    source, target = write(folder / "export", files), folder / "processed"
    summary = outcome(source, target)
    if isinstance(summary, NeptuneMLError):
        assert summary.exit_code == 2, summary
        assert [path.name for path in folder.iterdir()] == ["export"]
        return str(summary)
    record = open_processed(target).record
    report = json.loads((target / "data_report.json").read_text(encoding="utf-8"))
    assert report["warnings"] == list(record.warnings) == list(summary.warnings)
    assert {path.name for path in folder.iterdir()} == {"export", "processed"}
    return None


@pytest.mark.parametrize("shape", EXPORTS)
def test_whole_exports_are_processed(shape: str, tmp_path: Path) -> None:
    assert processed(EXPORTS[shape](), tmp_path) is None


@pytest.mark.parametrize("shape", EXPORTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_broken_exports_are_processed_or_refused_by_name(
    shape: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    files = data.draw(broken(EXPORTS[shape]()))
    folder = tmp_path_factory.mktemp("broken")
    try:
        message = processed(files, folder)
        if message is not None:
            said = message.replace(str(folder), "")
            assert any(name in said for name in (*files, *MEMBERS, "/export")), message
    finally:
        shutil.rmtree(folder)


def changed(change: Callable[[Any], object]) -> Files:
    """Return the export of node classification with a changed configuration."""
    files = EXPORTS["node classification"]()
    document = json.loads(files[CONFIGURATION])
    change(document["graph"])
    return files | {CONFIGURATION: json.dumps(document).encode()}


def bucket(**members: Any) -> Files:
    return changed(lambda graph: graph["nodes"][0]["features"][1].update(members))


def book(**members: Any) -> Files:
    return changed(lambda graph: graph["nodes"][0].update(members))


def file(name: str, content: bytes) -> Files:
    return EXPORTS["node classification"]() | {name: content}


PAGES = b"~id,~label,pages,shelf\n"
REFUSED: dict[str, tuple[Files, str]] = {
    "nested too deeply": (file(CONFIGURATION, b"[" * 100_000), "nested too deeply"),
    "schema nested too deeply": (file(SCHEMA, b"[" * 100_000), "nested too deeply"),
    "empty configuration": (file(CONFIGURATION, b""), "is not JSON"),
    "half a character": (book(node=["~id", "\ud800"]), "graph.nodes[0].node[1] holds half of a surrogate pair"),
    "half a character in a name": (book(**{"\udc00": 1}), "a member's name in graph.nodes[0] holds half"),
    "no number": (bucket(slide_window_size=float("nan")), "slide_window_size: must be a finite number, not NaN"),
    "too large an integer": (bucket(range=[0, 10**400]), "range[1]: must be a finite number, not 1000"),
    "too wide a range": (bucket(range=[-1e308, 1e308]), "not further apart than numbers go"),
    "negative window": (bucket(slide_window_size=-10), "slide_window_size: must be 0 or more, not -10"),
    "too many buckets": (bucket(bucket_cnt=10**12), "bucket_cnt: must be at most 65536"),
    "too long a term": (
        changed(
            lambda graph: graph["nodes"][0].update(
                features=[feature("pages", "text_tfidf", ngram_range=[1, 10**9])]
            )
        ),
        "ngram_range: must be two whole numbers, 1 or more, 100 or less",
    ),
    "no rates": (
        changed(lambda graph: graph["nodes"][0]["labels"][0].update(split_rate=[0.5, float("nan"), 0.5])),
        "split_rate[1]: must be a finite number",
    ),
    "long name": (book(file_name="x" * 5000), "file_name: xxx"),
    "no label": (book(node=["~id", ""]), "graph.nodes[0].node[1]: names no label"),
    "quote as separator": (book(separator='"'), "separator: must be one ASCII character, no quote"),
    "short row": (file("nodes/Book.csv", PAGES + b"1,Book,5,a\n2,Book,6\n"), "Book.csv, row 2: has 3 of 4 cells"),
    "long row": (file("nodes/Book.csv", PAGES + b"1,Book,5,a,b\n"), "Book.csv, row 1: has 5 of 4 cells"),
    "blank line": (file("nodes/Book.csv", PAGES + b'1,Book,5,"a\nb"\n\n2,Book,6,b\n'), "row 2: has 1 of 4 cells"),
    "cut in quotes": (file("nodes/Book.csv", PAGES + b'1,Book,5,"a\n2,Book,6,b\n'), "cannot be read as CSV"),
    "carriage returns alone": (file("nodes/Book.csv", PAGES.replace(b"\n", b"\r") + b"1,Book,5,a\r"), "line feed"),
    "UTF-16": (file("nodes/Book.csv", PAGES.decode().encode("utf-16")), "cannot be read as CSV in UTF-8"),
    "empty": (file("nodes/Book.csv", b""), "the header is missing"),
    "a mark alone": (file("nodes/Book.csv", b"\xef\xbb\xbf"), "the header is missing"),
    "a label without rows": (file("nodes/Book.csv", PAGES), "4 of 4 edges have a '~to' that is not a vertex"),
    "no edges": (file("edges/Reviewed.csv", b"~id,~label,~from,~to,stars\n"), "holds no edges"),
    "nobody left": (
        file("nodes/Reader.csv", b"~id,~label,age\nr1,Reader,\nr2,Reader,x\n"),
        "no edge is left: nodes/Reader.csv: 2 of 2 rows are left out",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    files, message = REFUSED[case]
    said = processed(files, tmp_path)
    assert said is not None
    assert message in said


def test_numbers_beyond_32_bits_are_no_target(tmp_path: Path) -> None:
    files = EXPORTS["edge regression"]()
    content = files["edges/Reviewed.csv"].replace(b"r1,1,5", b"r1,1,-1e300")
    said = processed(files | {"edges/Reviewed.csv": content}, tmp_path)
    assert said is not None
    assert "edges/Reviewed.csv, row 1, column 'stars': -1e300 is larger than a 32-bit float" in said


def test_byte_order_marks_are_no_part_of_a_file(tmp_path: Path) -> None:
    files = EXPORTS["texts"]()
    marked = {name: b"\xef\xbb\xbf" + content for name, content in files.items()}
    assert processed(files, tmp_path / "plain") is processed(marked, tmp_path / "marked") is None
    plain, other = (open_processed(tmp_path / name / "processed") for name in ("plain", "marked"))
    assert plain.record.schema == other.record.schema
    assert plain.ids(0).texts() == other.ids(0).texts()


@pytest.mark.parametrize("name", ["nodes/Reader.csv", "nodes", CONFIGURATION])
def test_links_out_of_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    source = write(tmp_path / "export", EXPORTS["node classification"]())
    (source / name).rename(tmp_path / "secret")
    (source / name).symlink_to(tmp_path / "secret")
    with pytest.raises(NeptuneMLError, match="lies outside the folder of the export"):
        process.run(ProcessConfig(dgl_graph=False), source, tmp_path / "processed")


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    source = write(tmp_path / "export", EXPORTS["node classification"]())
    (source / "nodes").rename(source / "vertices")
    (source / "nodes").symlink_to(source / "vertices")
    (tmp_path / "link").symlink_to(source)
    summary = process.run(ProcessConfig(dgl_graph=False), tmp_path / "link", tmp_path / "processed")
    assert summary.counts["vertices"] == 6


@pytest.mark.parametrize("name", ["../secret.json", "/etc/hostname"])
def test_a_configuration_outside_is_refused(name: str, tmp_path: Path) -> None:
    source = write(tmp_path / "export", EXPORTS["node classification"]())
    (tmp_path / "secret.json").write_text("{}", encoding="utf-8")
    with pytest.raises(NeptuneMLError, match="lies outside the folder of the export"):
        process.run(ProcessConfig(config_file_name=name, dgl_graph=False), source, tmp_path / "processed")


def test_names_in_any_script(tmp_path: Path) -> None:
    files = {
        "nodes/本.csv": "~id,ページ数 (頁)\nÜ;1,5\n2\u2028,6\n🙂,7\n",
        "edges/lié à.csv": "~from,~to\nÜ;1,🙂\n2\u2028,Ü;1\n",
    }
    entry = node("本", [feature("ページ数 (頁)", "numerical")])
    write_export(tmp_path / "export", files, configuration(entry, edge("本", "lié à", "本")))
    process.run(ProcessConfig(dgl_graph=False), tmp_path / "export", tmp_path / "processed")
    opened = open_processed(tmp_path / "processed")
    assert opened.ids(0).texts() == ["Ü;1", "2\u2028", "🙂"]
    assert [kind.type.triple for kind in opened.record.schema.edges] == [("本", "lié à", "本")]
    assert opened.record.schema.nodes[0].features[0].name == "ページ数 (頁)"


def test_very_many_categories(tmp_path: Path) -> None:
    count = 100_000
    books = "~id,code\n" + "".join(f"{i},c{i}\n" for i in range(count))
    files = {"nodes/Book.csv": books, "edges/cites.csv": "~from,~to\n1,2\n2,3\n"}
    entry = node("Book", [feature("code", "category")])
    write_export(tmp_path / "export", files, configuration(entry, edge("Book", "cites", "Book")))
    summary = process.run(ProcessConfig(dgl_graph=False), tmp_path / "export", tmp_path / "processed")
    assert open_processed(tmp_path / "processed").record.schema.nodes[0].features[0].width == 100
    assert any("code" in warning for warning in summary.warnings)
