"""Java's classes and texts of values."""

import datetime as dt
import math
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from gremlin_python import statics
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.cells import texts
from neptuneml_plugin.export.values import Float, Instant, java_class, java_text

UUID = uuid.UUID("41d2e28a-20a4-4ab0-b379-d810dede3786")


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (5, "Integer", "5"),
        (statics.long(5), "Long", "5"),
        (statics.short(-5), "Short", "-5"),
        (statics.SingleByte(7), "Byte", "7"),
        (statics.bigint(10**30), "BigInteger", "1" + "0" * 30),
        (Decimal("1.50"), "BigDecimal", "1.50"),
        (True, "Boolean", "true"),
        (False, "Boolean", "false"),
        ("a;b", "String", "a;b"),
        (UUID, "UUID", str(UUID)),
        # The texts of Double.toString and Float.toString, from Java's documentation and jshell.
        (-84.42, "Double", "-84.42"),
        (5.0, "Double", "5.0"),
        (0.0, "Double", "0.0"),
        (-0.0, "Double", "-0.0"),
        (0.001, "Double", "0.001"),
        (0.00099, "Double", "9.9E-4"),
        (9999999.5, "Double", "9999999.5"),
        (1e7, "Double", "1.0E7"),
        (1.25e-7, "Double", "1.25E-7"),
        (-1.5e300, "Double", "-1.5E300"),
        (math.nan, "Double", "NaN"),
        (math.inf, "Double", "Infinity"),
        (-math.inf, "Double", "-Infinity"),
        (Float(np.float32(0.1)), "Float", "0.1"),
        (Float(np.float32(3.4e38)), "Float", "3.4E38"),
        (Float(16777216.0), "Float", "1.6777216E7"),
        (dt.datetime(2020, 1, 1), "Date", "2020-01-01T00:00:00Z"),
        (dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), "Date", "2019-12-31T22:00:00Z"),
        (dt.timedelta(seconds=1), "Duration", "PT1S"),
        (dt.timedelta(days=1, seconds=3661, milliseconds=500), "Duration", "PT25H1M1.5S"),
        (dt.timedelta(seconds=-61.5), "Duration", "PT-1M-1.5S"),
        (dt.timedelta(0), "Duration", "PT0S"),
        (Decimal("1E+3"), "BigDecimal", "1E+3"),
        (["a", None, 1.0], "List", "[a, null, 1.0]"),
        ({"a": {"b": True}}, "Map", "{a={b=true}}"),
    ],
)
def test_class_and_text(value: Any, name: str, text: str) -> None:
    assert (java_class(value), java_text(value)) == (name, text)


@pytest.mark.parametrize(
    ("seconds", "nanos", "text"),
    [
        (0, 0, "1970-01-01T00:00:00Z"),
        (-1, 500_000_000, "1969-12-31T23:59:59.500Z"),
        (0, 1_000, "1970-01-01T00:00:00.000001Z"),
        (0, 1, "1970-01-01T00:00:00.000000001Z"),
        (253_402_300_800, 0, "+10000-01-01T00:00:00Z"),
    ],
)
def test_instants_have_the_text_of_java(seconds: int, nanos: int, text: str) -> None:
    assert Instant.of(seconds, nanos) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_survive_their_text(value: float) -> None:
    assert float(java_text(value)) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_survive_their_text(value: float) -> None:
    assert np.float32(java_text(Float(value))) == np.float32(value)


@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_dates_survive_their_text(moment: dt.datetime) -> None:
    assert dt.datetime.fromisoformat(java_text(moment)) == moment


@given(st.lists(st.floats() | st.none(), max_size=30))
def test_a_column_has_the_texts_of_its_values(values: list[float | None]) -> None:
    column = texts(pl.Series(values, dtype=pl.Float64))
    assert column.to_list() == [None if value is None else java_text(value) for value in values]
