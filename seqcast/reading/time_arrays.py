"""Times as arrays: microseconds since 1970, in years 0 to 9999, or whole steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcast.errors import option
from seqcast.panel.arrays import IntArray
from seqcast.panel.clock import Clock
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.panel.notices import Notice
from seqcast.panel.wording import show_time
from seqcast.reading.table import Table, cell_error, share_hint

Datetimes = NDArray[np.datetime64]

UNIT_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "day": 86_400.0, "excel": 86_400.0}
TOO_FINE = "is finer than a microsecond"
FINE_REMEDY = "Round them to microseconds, or number the steps (1, 2, 3, ...) in the time column."
_YEARS = (-62_167_219_200, 253_402_300_800)
"""Beginning of year 0 and end of year 9999, in seconds since 1970."""


@dataclass(frozen=True)
class Times:
    """The time of every row, in the order of the table."""

    values: TimeArray
    """(rows,)"""
    notices: tuple[Notice, ...] = ()
    found_format: str | None = None
    """Format that was found for texts that are not ISO 8601."""
    is_utc: bool = False
    """True where the values are UTC: the source names a zone or an offset, or counts seconds since 1970."""
    zone: str | None = None
    """The zone whose clock the panel follows; None where none is named."""

    def show(self, row: int) -> str:
        """Returns a time as text, as the clock of its zone shows it."""
        clock = None if self.zone is None else Clock(self.zone, on_wall=False)
        return Frequency("", "microsecond", 1, clock=clock).show(self.values[row])


def in_microseconds(table: Table, column: str, numbers: IntArray, unit: str) -> Datetimes:
    """Converts `numbers` of a numpy `unit` since 1970 to datetime64[us].

    Raises:
        DataError: A time lies outside the years 0 to 9999 or is finer than a microsecond.
    """
    require_years(table, column, numbers, unit)
    fine = np.flatnonzero(numbers % 1000 if unit == "ns" else [])
    if len(fine):
        times = numbers.astype("datetime64[ns]")
        hint = share_hint(fine, len(numbers), FINE_REMEDY)
        raise cell_error(table, column, fine, lambda row: show_time(times[row]), TOO_FINE, hint)
    return numbers.astype(f"datetime64[{unit}]").astype("datetime64[us]", copy=False)


def require_years(table: Table, column: str, numbers: IntArray, unit: str) -> None:
    """Checks that numbers of a unit since 1970 (Excel: 1900) lie in the years 0 to 9999.

    Raises:
        DataError: One does not.
    """
    factor = UNIT_SECONDS[unit]
    if numbers.min() * factor >= _YEARS[0] and numbers.max() * factor < _YEARS[1]:
        return
    outside = np.flatnonzero((numbers * factor < _YEARS[0]) | (numbers * factor >= _YEARS[1]))
    hint = share_hint(outside, len(numbers), f"Correct them, or {option('time_unit')}.")
    raise cell_error(table, column, outside, lambda row: str(numbers[row]), "lies outside the years 0 to 9999", hint)
