"""Times as arrays: nanoseconds where they fit, otherwise seconds; only years that four digits can write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqcast.errors import DataError, UsageError, option
from seqcast.panel.frequency import SECOND, TimeArray
from seqcast.panel.notices import Notice
from seqcast.reading.table import MOST_EXAMPLES, Table, cell_error

Datetimes = NDArray[np.datetime64]

UNIT_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "day": 86_400.0, "excel": 86_400.0}
_YEARS = (-62_167_219_200, 253_402_300_800)
"""The years 0 to 9999 in seconds since 1970."""
_FARTHEST = 2**63 - 1
"""Nanoseconds that can be counted between two times."""


@dataclass(frozen=True)
class Times:
    """The time of every row, as written in the table's order."""

    values: TimeArray
    """(rows,)"""
    notices: tuple[Notice, ...] = ()
    is_zoned: bool = False
    """The text had offsets; the values are UTC."""


def in_storage_unit(values: Datetimes) -> Datetimes:
    """Nanoseconds where all values and the distances between them fit, otherwise seconds.

    Raises:
        DataError: They have fractions of a second and lie centuries apart.
    """
    if values.dtype == np.dtype("datetime64[ns]"):
        ticks = values.astype(np.int64)
        if int(ticks.max()) - int(ticks.min()) < _FARTHEST:
            return values
        seconds, has_fractions = (ticks // SECOND).astype("datetime64[s]"), bool(np.any(ticks % SECOND))
    else:
        seconds = values.astype("datetime64[s]", copy=False)
        low, high = (int(end) * SECOND for end in (seconds.view(np.int64).min(), seconds.view(np.int64).max()))
        if max(abs(low), abs(high), high - low) < _FARTHEST - SECOND:
            return values.astype("datetime64[ns]")
        has_fractions = bool(np.any(seconds != values))
    if has_fractions:
        raise DataError("times with fractions of a second must lie between 1678 and 2262, within 292 years.")
    return seconds


def require_years(table: Table, column: str, numbers: NDArray[np.int64], unit: str) -> None:
    """Check that so many units since 1970 (Excel: 1900) lie in years of four digits.

    Raises:
        DataError: One does not.
    """
    factor = UNIT_SECONDS[unit]
    if numbers.min() * factor >= _YEARS[0] and numbers.max() * factor < _YEARS[1]:
        return
    outside = np.flatnonzero((numbers * factor < _YEARS[0]) | (numbers * factor >= _YEARS[1]))
    first = [int(row) for row in outside[:MOST_EXAMPLES]]
    count = f"{len(outside):,} of {len(numbers):,} times are like this."
    hint = (count, f"Correct them, or {option('time_unit')}.")
    shown = [str(numbers[row]) for row in first]
    raise cell_error(table, column, first, shown, "lies outside the years 0 to 9999", hint)


def strptime(values: list[str], pattern: str) -> Datetimes:
    """NaT where a text does not fit the format; in UTC where the format has an offset."""
    # pandas reads the words "now" and "today" under any format
    plain = [value if any(letter.isdigit() for letter in value) else None for value in values]
    try:
        texts = pd.Series(plain, dtype="object")
        parsed = pd.to_datetime(texts, format=pattern, errors="coerce", exact=True, utc=has_offset(pattern))
    except (ValueError, re.error) as error:
        raise UsageError(f"{option('time_format', repr(pattern[:60]))} is not a time format: {error}.") from None
    if parsed.dt.tz is not None:
        parsed = parsed.dt.tz_localize(None)
    found: Datetimes = np.asarray(parsed.to_numpy())
    missed = [row for row in np.flatnonzero(np.isnat(found)) if plain[row] is not None]
    if missed and not np.isnat(_far_time(values[missed[0]], pattern)):
        found = found.astype("datetime64[us]")
        found[missed] = [_far_time(values[row], pattern) for row in missed]
    return found


def has_offset(pattern: str) -> bool:
    """Whether times of a strptime format say how far they are from UTC."""
    return "%z" in pattern or "%Z" in pattern


def _far_time(value: str, pattern: str) -> np.datetime64:
    """A time beyond nanoseconds, which pandas reads from version 3 on; NaT where the text does not fit the format."""
    try:
        time = datetime.strptime(value, pattern)
    except ValueError:
        return np.datetime64("NaT", "us")
    if 1678 <= time.year < 2262:
        return np.datetime64("NaT", "us")
    return np.datetime64(time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None), "us")
