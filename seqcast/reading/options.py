"""Options for reading text; the command line imports them, so no heavy library may be imported here."""

from dataclasses import dataclass
from typing import Literal

from seqcast.config import Names
from seqcast.reading.cell_patterns import MISSING_WORDS


@dataclass(frozen=True)
class ReadOptions:
    """How text becomes values; None means found from the data. The docstrings are the help of the options."""

    layout: Literal["rows", "columns"] | None = None
    """Where times run: along the rows, a series in each, or down the columns; found if not given."""
    delimiter: str | None = None
    """Field delimiter; found if not given."""
    decimal: str | None = None
    """Decimal mark, . or , (found if not given)."""
    thousands: str | None = None
    """Mark between thousands, one of , . ' space (found if a column leaves a single reading)."""
    encoding: str | None = None
    """Text encoding; UTF-8, or UTF-16 with a byte order mark, if not given."""
    time_format: str | None = None
    """strptime format of the time column, such as '%d.%m.%Y'."""
    time_unit: str | None = None
    """What numbers in the time column count: step, s, ms, us, ns, day or excel."""
    na_values: Names = ()
    """A word that means a missing value, besides the usual ones; may be repeated."""
    found_format: str | None = None
    """Format in which the times of an earlier table were read; taken where several fit."""
    text: Names = ()
    """Columns that stay text whatever they look like, such as ids."""

    @property
    def missing_words(self) -> frozenset[str]:
        """All words that mean *missing*."""
        return MISSING_WORDS | frozenset(self.na_values)
