"""Reads the time column, strictly and in one format, as datetimes or as whole steps."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seqcast.errors import DataError, UsageError, option
from seqcast.panel.arrays import IntArray
from seqcast.panel.notices import Notice
from seqcast.panel.wording import show_time
from seqcast.reading.cell_patterns import INTEGER, MISSING_WORDS
from seqcast.reading.columns import text_column
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import TEXT_TYPE, Table, cell_error
from seqcast.reading.time_arrays import Times, in_microseconds
from seqcast.reading.time_numbers import TIME_UNITS, from_numbers
from seqcast.reading.time_texts import TimeTexts, naive, parse_texts, utc_notice


def read_times(table: Table, column: str) -> Times:
    """Reads the time column as datetime64[us], or as int64 where it counts steps.

    Raises:
        DataError: A time is missing, is finer than a microsecond, or does not have the format of the others; or the
            format is ambiguous.
        UsageError: The given format or unit makes no sense.
    """
    _require_sense(table.options)
    chunks = table.arrow.column(column)
    kind = chunks.type
    if kind == TEXT_TYPE:
        return _from_text(table, column)
    if pa.types.is_floating(kind):
        return from_numbers(table, column, _whole_numbers(table, column))
    if chunks.null_count:
        raise _missing_time(table, column, np.flatnonzero(chunks.is_null().to_numpy()))
    if pa.types.is_timestamp(kind):
        return _from_timestamps(table, column)
    if pa.types.is_integer(kind):
        return from_numbers(table, column, chunks.to_numpy())
    raise DataError(
        f"the column holds {kind}, not times.", place=table.place(column), hint=f"Name another with {option('time')}."
    )


def _require_sense(options: ReadOptions) -> None:
    """Raises for an unknown unit and for a format that names no year."""
    unit, pattern = options.time_unit, options.time_format
    if unit is not None and unit not in TIME_UNITS:
        raise UsageError(f"{option('time_unit', repr(unit[:20]))} is not one of {', '.join(TIME_UNITS)}.")
    if pattern is not None and not any(f"%{letter}" in pattern for letter in "YyGcx"):
        raise UsageError(
            f"{option('time_format', repr(pattern[:60]))} names no year, %Y or %y.",
            hint="Give one such as '%d/%m/%Y %H:%M'.",
        )


def _from_timestamps(table: Table, column: str) -> Times:
    chunks = table.arrow.column(column)
    zone, unit = chunks.type.tz, chunks.type.unit
    numbers = chunks.cast(pa.int64()).to_numpy()
    notices = () if zone in (None, "UTC") else (utc_notice(column, f"zone {zone}"),)
    return Times(in_microseconds(table, column, numbers, unit), notices, is_zoned=zone is not None)


def _from_text(table: Table, column: str) -> Times:
    text = text_column(table, column)
    texts = TimeTexts(table, column, text)
    values = texts.values
    missing = np.array([value in MISSING_WORDS for value in values] + [True])
    absent = np.flatnonzero(missing[text.codes])
    if len(absent):
        raise _missing_time(table, column, absent)
    is_whole = np.array([INTEGER.fullmatch(value) is not None and abs(int(value)) < 2**63 for value in values])
    if is_whole.all() and table.options.time_format is None:
        numbers = np.array([int(value) for value in values], np.int64)
        return from_numbers(table, column, numbers[text.codes])
    if table.options.time_unit is not None:
        raise texts.error(~is_whole, f"is not a whole number, as {option('time_unit')} needs it", "Correct them.")
    parsed = parse_texts(texts)
    return Times(parsed.values[text.codes], parsed.notices, parsed.is_zoned)


def _missing_time(table: Table, column: str, rows: NDArray[np.intp]) -> DataError:
    hint = f"{len(rows):,} rows have no time. Remove them or fill the time in."
    return cell_error(table, column, rows, lambda _: "", "is not a time", hint)


def _whole_numbers(table: Table, column: str) -> IntArray:
    values = table.arrow.column(column).to_numpy()
    absent = np.flatnonzero(np.isnan(values))
    if len(absent):
        raise _missing_time(table, column, absent)
    broken = np.flatnonzero((values != np.floor(values)) | (np.abs(values) >= 2**53))
    if len(broken):
        what = "is not a whole number, so it is not a time"
        hint = "Write times as 2024-01-31 23:59:59; Excel day numbers have to be formatted as dates before export."
        raise cell_error(table, column, broken, lambda row: str(values[row]), what, hint)
    whole: IntArray = values.astype(np.int64)
    return whole


def to_utc(times: Times, timezone: str | None, series: NDArray[np.int32], table: Table, column: str) -> Times:
    """Converts wall-clock times of `timezone` to UTC; the second of two equal times comes after the clock went back.

    Raises:
        DataError: A time falls into the hour that the clock skipped.
        UsageError: The zone is not known.
    """
    if timezone is None or times.is_zoned:
        return times
    if times.values.dtype.kind == "i":
        raise UsageError(
            f"{option('timezone')} does not fit: the times are numbers of steps.", place=table.place(column)
        )
    plain = pa.array(times.values)
    try:
        early = pc.assume_timezone(plain, timezone, ambiguous="earliest", nonexistent="earliest")
    except pa.ArrowInvalid:
        raise UsageError(
            f"{option('timezone', repr(timezone[:40]))} is not a known time zone.",
            hint="Give one such as Europe/Berlin or UTC.",
        ) from None
    late = pc.assume_timezone(plain, timezone, ambiguous="latest", nonexistent="latest")
    skipped = np.flatnonzero(pc.not_equal(pc.local_timestamp(early), plain).to_numpy(zero_copy_only=False))
    if len(skipped):
        what, hint = f"does not exist in {timezone}", "The clock skips this hour; correct the times."
        raise cell_error(table, column, skipped, lambda row: show_time(times.values[row]), what, hint)
    again = pd.DataFrame({"time": times.values, "series": series}).duplicated().to_numpy()
    notices = (*times.notices, Notice("repair", f"times of {timezone} were converted to UTC"))
    return Times(np.where(again, naive(late), naive(early)), notices, is_zoned=True)
