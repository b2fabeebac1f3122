"""How the files of an export are laid out: names, format, and what joins several values of one cell."""

import hashlib
import urllib.parse
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # requests are read by the service too, which loads no dataframes
    from neptuneml_plugin.export.schema import TypeTable

#: Neptune's exporter hashes base names that many file systems would refuse.
_MAX_NAME_BYTES = 250


class Format(StrEnum):
    """The formats of the files; what is not here is refused by name."""

    CSV = "csv"
    #: As `csv`, without the line that names the columns.
    CSV_NO_HEADERS = "csvNoHeaders"
    #: One object per line.
    JSON = "json"
    #: An addition: the values of `csv` as typed columns, in less room and read faster.
    PARQUET = "parquet"

    @property
    def is_read(self) -> bool:
        """Whether `process` reads it."""
        return self in {Format.CSV, Format.PARQUET}

    @property
    def suffix(self) -> str:
        """The end of the files' names."""
        return ".consolidated." + ("csv" if self is Format.CSV_NO_HEADERS else self.value)


@dataclass(frozen=True)
class Layout:
    """How the files are written."""

    format: Format = Format.CSV
    #: Joins several values, and several labels, of one cell.
    separator: str = ";"

    def file_name(self, table: "TypeTable") -> str:
        """Return a type's file in the export, such as `edges/%28user%29-rated-%28movie%29.consolidated.csv`."""
        # As Java's URLEncoder: it keeps `*` and escapes `~`, unlike Python's.
        base = urllib.parse.quote_plus(table.name, safe="*").replace("~", "%7E") + self.format.suffix
        if len(base) > _MAX_NAME_BYTES:
            base = hashlib.sha1(base.encode(), usedforsecurity=False).hexdigest() + self.format.suffix
        return f"{table.element}/{base}"
