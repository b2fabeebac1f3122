"""The fitted encoders of a graph, and their file `encoders.json`.

One code path encodes at processing time and, from the saved state, for elements that come later.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cattrs
from cattrs.strategies import configure_tagged_union

from neptuneml_plugin.artifacts import FORMAT_VERSION, EdgeType
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.encoders.categorical import Category, Hashed
from neptuneml_plugin.processing.encoders.datetimes import Datetime
from neptuneml_plugin.processing.encoders.numerical import Buckets, Numerical
from neptuneml_plugin.processing.encoders.sentences import Sentences
from neptuneml_plugin.processing.encoders.tfidf import TfIdf
from neptuneml_plugin.processing.encoders.vectors import WordMeans
from neptuneml_plugin.stage import write_json

Encoder = Numerical | Buckets | Category | Hashed | Datetime | TfIdf | WordMeans | Sentences


@dataclass(frozen=True)
class FittedEncoders:
    """`encoders.json`: the encoders of each node label and edge type, in the order of the features."""

    nodes: Mapping[str, tuple[Encoder, ...]] = field(default_factory=dict)
    edges: tuple[tuple[EdgeType, tuple[Encoder, ...]], ...] = ()
    format_version: int = FORMAT_VERSION


_converter = cattrs.Converter()
configure_tagged_union(Encoder, _converter, tag_name="encoder")


def write_encoders(path: Path, encoders: FittedEncoders) -> None:
    """Write the fitted state as JSON; numbers keep all their digits."""
    write_json(path, _converter.unstructure(encoders))


def read_encoders(path: Path) -> FittedEncoders:
    """Read the fitted state.

    Raises:
        InvalidData: missing, or not written by `write_encoders`.
    """
    if not path.is_file():
        raise InvalidData(f"{path} is missing; is {path.parent} the output of `process`?")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format_version"] == FORMAT_VERSION:
            return _converter.structure(raw, FittedEncoders)
    except (cattrs.BaseValidationError, KeyError, TypeError, ValueError) as error:
        raise InvalidData(f"{path} does not hold fitted encoders ({error}); run `process` again") from None
    raise InvalidData(f"{path} has format version {raw['format_version']}, this release reads {FORMAT_VERSION}")
