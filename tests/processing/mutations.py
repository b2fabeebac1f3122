"""Small valid exports of several shapes, and strategies that break their files."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from tests.processing.exports import BOOKS, READERS, REVIEWS, configuration, edge, feature, node

CONFIGURATION = "training-data-configuration.json"
SCHEMA = "config.json"

Files = dict[str, bytes]

_SHELF = {"label": ["shelf", "classification"], "split_rate": [0.5, 0.5, 0.0]}
_LIBRARY = {"nodes/Book.csv": BOOKS, "nodes/Reader.csv": READERS, "edges/Reviewed.csv": REVIEWS}
_BOOK_SCHEMA = {
    "nodes": [
        {
            "label": "Book",
            "idType": "Integer",
            "properties": [
                {"property": "shelf", "dataType": "String", "isMultiValue": False, "isNullable": False},
                {"property": "pages", "dataType": "Integer", "allTypes": ["Integer"]},
            ],
        }
    ],
    "edges": [
        {
            "label": {"~label": "Reviewed", "~fromLabels": ["Reader"], "~toLabels": ["Book"]},
            "properties": [{"property": "stars", "dataType": "Integer"}],
        }
    ],
}


def _files(texts: Mapping[str, str], document: Any, schema: Any = None) -> Files:
    files = {name: text.encode() for name, text in texts.items()}
    files[CONFIGURATION] = json.dumps(document).encode()
    return files if schema is None else files | {SCHEMA: json.dumps(schema).encode()}


def _node_class() -> Files:
    features = [
        feature("pages", "numerical", norm="z-score", imputer="median"),
        feature("pages", "bucket_numerical", range=[0, 600], bucket_cnt=3, slide_window_size=10, imputer="mean"),
        feature("~id", "auto"),
    ]
    book = node("Book", features, [_SHELF])
    reader = node("Reader", [feature("age", "numerical", norm="none", on_error="drop-row")])
    reviewed = edge("Reader", "Reviewed", "Book", [feature("stars", "auto")])
    return _files(_LIBRARY, configuration(book, reader, reviewed), _BOOK_SCHEMA)


def _edge_regression() -> Files:
    label = {"label": ["stars", "regression"], "split_rate": [0.5, 0.25, 0.25], "split": {"kind": "random"}}
    features = [feature("when", "datetime", datetime_parts=["year", "month"], imputer="median")]
    reviews = "\n".join(
        f"{line},{when}"
        for line, when in zip(
            REVIEWS.splitlines(),
            ["when", "2020-01-02", "2021-02-03T04:05:06Z", "2020-12-06 23:10", "2022-01-01"],
            strict=True,
        )
    )
    entry = edge("Reader", "Reviewed", "Book", features, [label])
    entries = (node("Book", [feature("shelf", "category")]), node("Reader", [feature("age", "auto")]), entry)
    return _files(_LIBRARY | {"edges/Reviewed.csv": reviews + "\n"}, configuration(*entries))


def _links() -> Files:
    """The guide's shape: `graph` is an array; one label is known from edges alone."""
    texts = _LIBRARY | {"edges/likes.csv": "~from\t~to\nr1\tjazz\nr2\tjazz\nr2\tfolk\n"}
    likes = edge("Reader", "likes", "Genre", labels=[{"label": ["", "link_prediction"]}]) | {"separator": "\t"}
    reviewed = edge("Reader", "Reviewed", "Book", [feature("stars", "numerical")])
    document = configuration(node("Book", [feature("pages", "auto")]), node("Reader"), reviewed, likes)
    return _files(texts, document | {"graph": [document["graph"] | {"warnings": ["a note"]}]}, _BOOK_SCHEMA)


def _texts() -> Files:
    books = (
        '~id,~label,title,tags,place,blurb\n1,Book,"The, ""quoted"" one",a;b,1;2,one two\n'
        '2,Book,"Über\nzwei Zeilen",a\\;b;c,3;4,two three\n3,Book,第三,,5;6,three one\n4,Book,x,b,7;8,\n'
    )
    features = [
        feature("title", "text_tfidf", ngram_range=[1, 2], min_df=1, max_features=20),
        feature("tags", "hash", hash_width=8, separator=";"),
        feature("tags", "category", separator=";"),
        feature("place", "vector", separator=";"),
        feature("blurb", "none"),
    ]
    label = {
        "label": ["tags", "classification"],
        "separator": ";",
        "custom_split_filenames": {"train": "train.csv", "valid": "valid.csv"},
    }
    texts = _LIBRARY | {"nodes/Book.csv": books, "train.csv": "~id\n1\n2\n", "valid.csv": "~id,tags\n4,c\n"}
    entries = (node("Book", features, [label]), node("Reader"), edge("Reader", "Reviewed", "Book"))
    return _files(texts, configuration(*entries))


EXPORTS: Mapping[str, Callable[[], Files]] = {
    "node classification": _node_class,
    "edge regression": _edge_regression,
    "link prediction": _links,
    "texts": _texts,
}

#: What goes into a file as it stands.
_BYTES = (b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b",", b";", b"\\;", b"")
#: What a cell is replaced by.
_CELLS = (
    *("", "NaN", "Infinity", "-inf", "1e400", "-1e308", "0", "1_000", "0x1F", "١٢", " 7 ", "true", "~id"),
    *("a;b", "a\\;b", ";", "\\", "2020-13-45", "9999-12-31", "-0001-01-01T00:00:00Z", "é", "第", "\u2028"),
    *('"two\nlines"', '"a ""quote"""', '"', "r1", "1", "[1,2]", "x" * 300),
)
_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1,
        7,
        0.5,
        1e308,
        -1e308,
        float("nan"),
        float("inf"),
        2**70,
        "",
        "x",
        "é",
        "\0",
        "\ud800",
    ),
    *([], {}, [[]], ["", "", ""], ["~id", "Book"], {"x": 1}, ";", "\\", "~id", "Book", "Reader", "Reviewed"),
    *("../secret.csv", "/etc/passwd", "nodes", "nodes/Book.csv", "auto", "category", "none", "hash", "vector"),
    *("numerical", "bucket_numerical", "datetime", "text_tfidf", "time", "stratified", "inductive", "regression"),
    *("drop-row", "coerce", "raise", "impute", "Boolean", "Date", "Long", [1.0, 0.0, 0.0], [0, 0, 1]),
)


@st.composite
def broken(draw: st.DrawFn, whole: Files) -> Files:
    """Return the files with one to three changes."""
    files = dict(whole)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(files)))
        changes = [_cut, _insert, _swap_lines, _drop_line, _repeat_line, _empty, _header_only]
        changes += [_cell] * 6 if name.endswith(".csv") else [_member, _no_member, _twice] * 4
        change = draw(st.sampled_from(changes))
        files[name] = change(draw, files[name])
    return files


def _position(draw: st.DrawFn, content: bytes | list[Any]) -> int:
    return draw(st.integers(0, len(content)))


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    start = _position(draw, content)
    return content[:start] + content[start + draw(st.integers(1, 20)) :]


def _insert(draw: st.DrawFn, content: bytes) -> bytes:
    start = _position(draw, content)
    return content[:start] + draw(st.sampled_from(_BYTES)) + content[start:]


def _line(draw: st.DrawFn, lines: list[bytes]) -> int:
    return draw(st.integers(0, max(0, len(lines) - 1)))


def _swap_lines(draw: st.DrawFn, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    a, b = _line(draw, lines), _line(draw, lines)
    lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def _drop_line(draw: st.DrawFn, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    del lines[_line(draw, lines)]
    return b"".join(lines)


def _repeat_line(draw: st.DrawFn, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    lines.append(lines[_line(draw, lines)])
    return b"".join(lines)


def _empty(_draw: st.DrawFn, _content: bytes) -> bytes:
    return b""


def _header_only(_draw: st.DrawFn, content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:1])


def _cell(draw: st.DrawFn, content: bytes) -> bytes:
    lines = content.split(b"\n")
    chosen = _line(draw, lines)
    cells = lines[chosen].split(b",")
    cells[_line(draw, cells)] = draw(st.sampled_from(_CELLS)).encode()
    lines[chosen] = b",".join(cells)
    return b"\n".join(lines)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container of a document with each of its keys."""
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from places(below)


def _edit(draw: st.DrawFn, content: bytes, change: Callable[[Any, Any], None]) -> bytes:
    try:
        document = json.loads(content)
    except ValueError:
        return content
    found = list(places(document))
    if found:
        change(*draw(st.sampled_from(found)))
    return json.dumps(document).encode()


def _member(draw: st.DrawFn, content: bytes) -> bytes:
    value = draw(st.sampled_from(_VALUES))
    return _edit(draw, content, lambda container, key: container.__setitem__(key, value))


def _no_member(draw: st.DrawFn, content: bytes) -> bytes:
    return _edit(draw, content, lambda container, key: container.__delitem__(key))


def _twice(draw: st.DrawFn, content: bytes) -> bytes:
    def double(container: Any, key: Any) -> None:
        if isinstance(container, list):
            container.append(container[key])
        else:
            container[f"{key}s"] = container[key]

    return _edit(draw, content, double)
