"""Names of an export's files."""

import re

import pytest

from neptuneml_plugin.export.request.layout import Format, Layout
from neptuneml_plugin.export.schema import TypeTable


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("a b", "nodes/a+b.consolidated.csv"),
        ("a/../b", "nodes/a%2F..%2Fb.consolidated.csv"),
        ("~*é", "nodes/%7E*%C3%A9.consolidated.csv"),
    ],
)
def test_file_names(label: str, name: str) -> None:
    assert Layout().file_name(TypeTable(label)) == name


def test_a_name_too_long_for_file_systems_is_hashed() -> None:
    names = {Layout().file_name(TypeTable(letter * 300)) for letter in "xy"}
    assert all(re.fullmatch(r"nodes/[0-9a-f]{40}\.consolidated\.csv", name) for name in names)
    assert len(names) == 2


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (Format.CSV, "nodes/Thing.consolidated.csv"),
        (Format.CSV_NO_HEADERS, "nodes/Thing.consolidated.csv"),
        (Format.JSON, "nodes/Thing.consolidated.json"),
        (Format.PARQUET, "nodes/Thing.consolidated.parquet"),
    ],
)
def test_a_name_ends_with_its_format(form: Format, name: str) -> None:
    assert Layout(form).file_name(TypeTable("Thing")) == name
