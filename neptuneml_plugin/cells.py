"""The text that a CSV cell holds for a value of a typed column: as Java's `toString` writes it.

So a file of typed columns says what the CSV file of the same values says (spec/formats.md A.4).
"""

import polars as pl

#: Joins several values of a cell where nothing else is said.
LIST_SEPARATOR = ";"
_NUMBER = r"^-?(?<whole>\d+)(?:\.(?<fraction>\d+))?(?:e\+?(?<exponent>-?\d+))?$"


def texts(values: pl.Series, separator: str = LIST_SEPARATOR) -> pl.Series:
    r"""Return what cells of the values hold; null stays null.

    Args:
        values: texts, numbers, truth values, dates (ISO 8601 instants in UTC), or lists of these.
        separator: joins the items of lists; inside a text it is written `\` and itself.
    """
    kind = values.dtype
    if kind == pl.String:
        return values
    if isinstance(kind, pl.List):
        return _joined(values, separator)
    if isinstance(kind, pl.Datetime):
        return values.dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")
    written = values.cast(pl.String)
    return _as_java(values, written) if kind.is_float() else written


def _joined(lists: pl.Series, separator: str) -> pl.Series:
    items = item_texts(lists)
    if lists.dtype == pl.List(pl.String):
        items = items.list.eval(pl.element().str.replace_all(separator, "\\" + separator, literal=True))
    return items.list.join(separator)


def item_texts(lists: pl.Series) -> pl.Series:
    """Return lists of the texts of lists' items; null stays null."""
    if lists.dtype == pl.List(pl.String):
        return lists
    frame = lists.alias("item").to_frame().with_row_index("row").explode("item").drop_nulls("item")
    grouped = frame.with_columns(texts(frame["item"])).group_by("row", maintain_order=True).agg("item")
    rows = pl.DataFrame({"row": range(len(lists))}, schema={"row": grouped.schema["row"]})
    found = rows.join(grouped, on="row", how="left", maintain_order="left")["item"]
    none = pl.lit([], dtype=pl.List(pl.String))
    empty = pl.when(lists.is_not_null()).then(pl.coalesce(pl.col("item"), none))
    return found.alias("item").to_frame().select(empty.alias(lists.name)).to_series()


def _as_java(values: pl.Series, written: pl.Series) -> pl.Series:
    """Return numbers, written as Polars does, as Java's `Double.toString` writes them."""
    size = values.abs()
    others = ((size < 1e-3) & (size != 0) | (size >= 1e7) & size.is_not_nan()).arg_true()
    if not len(others):
        return written
    return written.scatter(others, _with_exponent(written.gather(others)))


def _with_exponent(written: pl.Series) -> pl.Series:
    """Return numbers as Java writes those from 1E7 on and below 1E-3: one digit before the point, an exponent.

    Args:
        written: texts such as `0.00012`, `-12345678.9`, `1.5e+22` and `-inf`.
    """
    text = pl.col("text")
    whole, fraction = pl.col("whole"), pl.col("fraction").fill_null("")
    digits = (whole + fraction).str.strip_chars_start("0")
    power = (
        pl.col("exponent").cast(pl.Int64).fill_null(0)
        - 1
        + digits.str.len_bytes().cast(pl.Int64)
        - fraction.str.len_bytes().cast(pl.Int64)
    )
    rest = digits.str.slice(1).str.strip_chars_end("0")
    sign = pl.when(text.str.starts_with("-")).then(pl.lit("-")).otherwise(pl.lit(""))
    mantissa = digits.str.head(1) + "." + pl.when(rest == "").then(pl.lit("0")).otherwise(rest)
    number = pl.when(whole.is_null()).then(pl.lit("Infinity")).otherwise(mantissa + "E" + power.cast(pl.String))
    frame = written.alias("text").to_frame().with_columns(text.str.extract_groups(_NUMBER).alias("parts"))
    return frame.unnest("parts").select(sign + number).to_series()
