"""The time column: one format for all of it, read strictly, as datetimes or as whole steps."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seqcast.errors import DataError, UsageError, option
from seqcast.panel.frequency import show_time
from seqcast.panel.notices import Notice
from seqcast.reading.cell_patterns import INTEGER, ISO_TIME, MISSING_WORDS, ZONED_TIME
from seqcast.reading.columns import TextColumn, text_column
from seqcast.reading.datetimes import Datetimes, Times, has_offset, in_storage_unit, require_years, strptime
from seqcast.reading.numbered_times import TIME_UNITS, from_numbers
from seqcast.reading.options import ReadOptions
from seqcast.reading.periods import period_starts
from seqcast.reading.table import MOST_EXAMPLES, TEXT_TYPE, Table, cell_error, quoted

_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_ORDERS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%Y{0}%m{0}%d", "%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d")
_WORDED = (
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%d-%b-%y",
    "%Y-%m",
    "%Y/%m",
    "%m/%Y",
    "%b %Y",
    "%B %Y",
    "%Y%m%dT%H%M%S",
)
FORMATS = tuple(order.format(mark) + clock for mark in "/.-" for order in _ORDERS for clock in _CLOCKS) + tuple(
    worded + clock for worded in _WORDED for clock in _CLOCKS[:3]
)
"""Formats tried besides ISO 8601."""


def read_times(table: Table, column: str) -> Times:
    """The time column as datetime64[ns] (seconds where nanoseconds overflow), or int64 where it counts steps.

    Raises:
        DataError: A time is missing or does not fit the format of the others, or the format is ambiguous.
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
    """Raise for a unit that is none and for a format that cannot name a day."""
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
    values = chunks.to_numpy() if zone is None else chunks.cast(pa.timestamp(unit)).to_numpy()
    if unit != "ns":
        require_years(table, column, values.view(np.int64), unit)
    notices = () if zone in (None, "UTC") else (_utc_notice(column, f"zone {zone}"),)
    return Times(in_storage_unit(values), notices, is_zoned=zone is not None)


def _from_text(table: Table, column: str) -> Times:
    text = text_column(table, column)
    missing = np.array([value.strip() in MISSING_WORDS for value in text.values] + [True])
    absent = np.flatnonzero(missing[text.codes])
    if len(absent):
        raise _missing_time(table, column, absent)
    values = [value.strip() for value in text.values]
    fractional = np.array([not _is_whole(value) for value in values] + [False])
    if not fractional.any() and table.options.time_format is None:
        numbers = np.array([int(value) for value in values], np.int64)
        return from_numbers(table, column, numbers[text.codes])
    if table.options.time_unit is not None:
        rows = np.flatnonzero(fractional[text.codes])
        raise _not_times(table, column, text, rows, f"is not a whole number, as {option('time_unit')} needs it", "")
    distinct, notices, is_zoned = _parse_distinct(table, column, text, values)
    return Times(in_storage_unit(distinct)[text.codes], notices, is_zoned)


def _is_whole(value: str) -> bool:
    return INTEGER.fullmatch(value) is not None and abs(int(value)) < 2**63


def _parse_distinct(
    table: Table, column: str, text: TextColumn, values: list[str]
) -> tuple[Datetimes, tuple[Notice, ...], bool]:
    """Times of the distinct texts, in the one format that reads all of them."""
    if table.options.time_format is not None:
        pattern = table.options.time_format
        parsed = _complete(table, column, text, strptime(values, pattern), f"the format {pattern}")
        is_zoned = has_offset(pattern)
        return parsed, (_utc_notice(column, "an offset"),) if is_zoned else (), is_zoned
    num_plain = sum(ISO_TIME.fullmatch(value) is not None for value in values)
    num_zoned = sum(ZONED_TIME.fullmatch(value) is not None for value in values)
    if num_plain > num_zoned:
        form = "the form 2024-01-31 or 2024-01-31 23:59:59, without offset"
        return _complete(table, column, text, _iso(values), form), (), False
    if num_zoned:
        times = _complete(table, column, text, _zoned(values), "the form 2024-01-31 23:59:59+00:00, with an offset")
        return times, (_utc_notice(column, "an offset"),), True
    periods = period_starts(values)
    if periods is not None:
        return _complete(table, column, text, periods[0], f"the form {periods[1]}"), (), False
    return _in_listed_format(table, column, text, values)


def _in_listed_format(
    table: Table, column: str, text: TextColumn, values: list[str]
) -> tuple[Datetimes, tuple[Notice, ...], bool]:
    """Times in the one listed format that reads every text.

    Raises:
        DataError: No format does, or several do and disagree.
    """
    tried = [(pattern, strptime(values, pattern)) for pattern in FORMATS if _may_fit(values, pattern)]
    fitting = [(pattern, parsed) for pattern, parsed in tried if not np.isnat(parsed).any()]
    readings = {parsed.tobytes(): (pattern, parsed) for pattern, parsed in reversed(fitting)}
    if len(readings) > 1:
        formats = [pattern for pattern, _ in reversed(readings.values())]
        raise DataError(
            f"times such as {quoted(values[0])} fit more than one format: {' and '.join(formats)}.",
            place=table.place(column, value=values[0]),
            hint=f"Say which with {option('time_format', repr(formats[0]))}.",
        )
    if not readings:
        nothing = ("", np.full(len(values), np.datetime64("NaT", "s")))
        pattern, parsed = min(tried, key=lambda reading: np.count_nonzero(np.isnat(reading[1])), default=nothing)
        form = "a time format that is known" if np.isnat(parsed).all() else f"the format {pattern} of the others"
        _complete(table, column, text, parsed, form)
    pattern, parsed = next(iter(readings.values()))
    return parsed, (Notice("decision", f"times of column {quoted(column)} were read as {pattern}"),), False


def _may_fit(values: list[str], pattern: str) -> bool:
    """Whether the punctuation and letters of the first or last text agree with the format: parsing is slow."""
    marks = re.sub(r"%[A-Za-z]", "", pattern)
    ends = (values[0], values[-1])
    return any(re.sub(r"\w", "", value) == re.sub(r"\w", "", marks) for value in ends)


def _complete(table: Table, column: str, text: TextColumn, parsed: Datetimes, form: str) -> Datetimes:
    """The times, if all were read.

    Raises:
        DataError: One was not; its line is named.
    """
    unread = np.append(np.isnat(parsed), False)
    if not unread.any():
        return parsed
    rows = np.flatnonzero(unread[text.codes])
    raise _not_times(table, column, text, rows, f"is not a time in {form}", f" or give {option('time_format')}")


def _not_times(
    table: Table, column: str, text: TextColumn, rows: NDArray[np.intp], what: str, remedy: str
) -> DataError:
    first = [int(row) for row in rows[:MOST_EXAMPLES]]
    values = [text.values[text.codes[row]] for row in first]
    if values[0].strip() == column.strip():
        return cell_error(table, column, first, values, "repeats the header", "Remove the repeated header lines.")
    if remedy and table.options.time_format is not None:
        remedy = f", or the {option('time_format')}"
    hint = (f"{len(rows):,} of {len(text.codes):,} times are like this.", f"Correct them{remedy}.")
    return cell_error(table, column, first, values, what, hint)


def _missing_time(table: Table, column: str, rows: NDArray[np.intp]) -> DataError:
    first = [int(row) for row in rows[:MOST_EXAMPLES]]
    hint = f"{len(rows):,} rows have no time. Remove them or fill the time in."
    return cell_error(table, column, first, [""] * len(first), "is not a time", hint)


def _iso(values: list[str]) -> Datetimes:
    """NaT where a text is not an ISO time without offset."""
    return _cast(values, ISO_TIME, pa.timestamp("ns"), pa.timestamp("s"))


def _zoned(values: list[str]) -> Datetimes:
    tidy = [re.sub(r" ?UTC$", "Z", re.sub(r" (?=[+-])", "", value)) for value in values]
    return _cast(tidy, ZONED_TIME, pa.timestamp("ns", "UTC"), pa.timestamp("s", "UTC"))


def _cast(values: list[str], shape: re.Pattern[str], fine: pa.DataType, coarse: pa.DataType) -> Datetimes:
    shaped = [value if shape.fullmatch(value) else None for value in values]
    for unit in (fine, coarse):
        try:
            return _naive(pc.cast(pa.array(shaped, pa.string()), unit))
        except pa.ArrowInvalid:
            continue
    # some value is no date at all; find which by reading them one at a time
    return np.array([_cast_one(value, coarse) for value in shaped], "datetime64[s]")


def _cast_one(value: str | None, unit: pa.DataType) -> np.datetime64:
    try:
        return np.datetime64(_naive(pc.cast(pa.array([value and value.split(".")[0]], pa.string()), unit))[0], "s")
    except pa.ArrowInvalid:
        return np.datetime64("NaT", "s")


def _naive(values: pa.Array) -> Datetimes:
    return np.asarray(values.cast(pa.timestamp(values.type.unit)).to_numpy(zero_copy_only=False))


def _whole_numbers(table: Table, column: str) -> NDArray[np.int64]:
    values = table.arrow.column(column).to_numpy()
    absent = np.flatnonzero(np.isnan(values))
    if len(absent):
        raise _missing_time(table, column, absent)
    broken = np.flatnonzero((values != np.floor(values)) | (np.abs(values) >= 2**53))
    if len(broken):
        first = [int(row) for row in broken[:MOST_EXAMPLES]]
        raise cell_error(
            table,
            column,
            first,
            [str(values[row]) for row in first],
            "is not a whole number, so it is not a time",
            "Write times as 2024-01-31 23:59:59; Excel day numbers have to be formatted as dates before export.",
        )
    whole: NDArray[np.int64] = values.astype(np.int64)
    return whole


def _utc_notice(column: str, what: str) -> Notice:
    return Notice("repair", f"times of column {column!r} have {what}; they were converted to UTC")


def to_utc(times: Times, timezone: str | None, series: NDArray[np.int32], table: Table, column: str) -> Times:
    """Wall-clock times of `timezone` as UTC; of two equal times of a series the second is after the clock went back.

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
        first = [int(row) for row in skipped[:MOST_EXAMPLES]]
        shown = [show_time(times.values[row]) for row in first]
        hint = "The clock skips this hour; correct the times."
        raise cell_error(table, column, first, shown, f"does not exist in {timezone}", hint)
    again = pd.DataFrame({"time": times.values, "series": series}).duplicated().to_numpy()
    values = in_storage_unit(np.where(again, _naive(late), _naive(early)))
    return Times(
        values, (*times.notices, Notice("repair", f"times of {timezone} were converted to UTC")), is_zoned=True
    )
