"""Reads the time column, strictly and in one format, as datetimes or as whole steps."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError, option
from seqcast.panel.arrays import BoolArray, IntArray
from seqcast.panel.clock import find_zone, wall_readings
from seqcast.panel.frequency import TimeArray
from seqcast.panel.notices import Notice
from seqcast.panel.wording import quoted, show_time
from seqcast.reading.cell_patterns import INTEGER, MISSING_WORDS
from seqcast.reading.columns import text_column
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import TEXT_TYPE, Table, cell_error
from seqcast.reading.time_arrays import Times, in_microseconds
from seqcast.reading.time_numbers import TIME_UNITS, from_numbers
from seqcast.reading.time_offsets import utc_notice
from seqcast.reading.time_texts import TimeTexts, parse_texts


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
    name, unit = chunks.type.tz, chunks.type.unit
    values = in_microseconds(table, column, chunks.cast(pa.int64()).to_numpy(), unit)
    if name is None:
        return Times(values)
    try:
        find_zone(name)
    except UsageError:
        return Times(values, (utc_notice(column, f"the unknown zone {name}"),), is_utc=True, zone="UTC")
    zone = "UTC" if name in ("Etc/UTC", "Z") else name
    notice = Notice("decision", f"times of column {quoted(column)} are of the zone {zone}, and forecasts will be")
    return Times(values, (notice,), is_utc=True, zone=zone)


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
    return replace(parsed, values=parsed.values[text.codes])


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


def to_utc(times: Times, config: DataConfig, series: NDArray[np.int32], table: Table, column: str) -> Times:
    """Converts times without an offset to UTC if their zone is given; the zone of the configuration takes precedence.

    Of two equal times of a series, the second comes after the clock went back.

    Raises:
        DataError: A time falls into the hour that the clock skipped.
        UsageError: The zone is not known, or the times are numbers of steps.
    """
    zone = config.timezone
    if zone is None and config.utc and times.zone is None:
        zone = "UTC"
    if zone is None:
        return times
    if times.values.dtype.kind == "i":
        asked = option("timezone") if config.timezone else option("utc")
        raise UsageError(f"{asked} does not fit: the times are numbers of steps.", place=table.place(column))
    find_zone(zone)
    if times.is_utc or config.utc:
        told = Notice("decision", f"times of column {quoted(column)} are UTC; their hours follow the clock of {zone}")
        notices = times.notices if zone == times.zone else (told,)
        return replace(times, notices=notices, is_utc=True, zone=zone)
    readings = wall_readings(zone, times.values)
    skipped = np.flatnonzero(readings.is_skipped & _has_clock(times.values))
    if len(skipped):
        what = f"does not exist in {zone}"
        hint = f"The clock skips this hour; correct the times, or add {option('utc')} if they are UTC."
        raise cell_error(table, column, skipped, lambda row: show_time(times.values[row]), what, hint)
    again = _has_earlier_equal(times.values, series)
    notices = (*times.notices, Notice("decision", f"times of column {quoted(column)} are those of the clock of {zone}"))
    values = np.where(again, readings.second, readings.first)
    return replace(times, values=values, notices=notices, is_utc=True, zone=zone)


def _has_earlier_equal(times: TimeArray, series: NDArray[np.int32]) -> BoolArray:
    """Returns whether an earlier row has the same time and series."""
    order = np.lexsort((times, series))  # which keeps equal ones in their order
    later = order[1:]
    again = np.zeros(len(times), dtype=np.bool_)
    again[later] = (times[later] == times[order[:-1]]) & (series[later] == series[order[:-1]])
    return again


def _has_clock(times: TimeArray) -> bool:
    """Returns whether any time has a time of day; a day begins even where the clock skips midnight."""
    return bool(np.any(times != times.astype("datetime64[D]").astype(times.dtype)))
