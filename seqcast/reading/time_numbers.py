"""Reads whole numbers as times: dates, seconds since 1970, Excel days, or plain steps."""

import numpy as np

from seqcast.errors import DataError, option
from seqcast.panel.arrays import IntArray
from seqcast.panel.notices import Notice
from seqcast.panel.wording import show_time
from seqcast.reading.table import Table, cell_error, share_hint
from seqcast.reading.time_arrays import UNIT_SECONDS, Times, in_microseconds, require_years
from seqcast.reading.time_texts import strptime

_EPOCH_UNITS = (("s", 10**8, 10**10), ("ms", 10**11, 10**13), ("us", 10**14, 10**16), ("ns", 10**17, 2**62))
_EPOCH_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_EXCEL_DAYS = (25_569, 73_050)
"""Excel day numbers of the years 1970 to 2099; numbers of steps are usually smaller."""
_EXCEL_ORIGIN = np.datetime64("1899-12-30", "us")
_DATE_PATTERNS = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Formats of dates by their number of digits."""
_BRIEF_PATTERNS = {6: ("%y%m%d", 100), 7: ("%Y%j", 1000)}
"""Formats by number of digits, and how many numbers a month or a year spans; steps would not skip most of them."""
_MAJORITY = 0.9
"""Share of dates among the numbers from which the others count as wrong dates."""
TIME_UNITS = ("step", *UNIT_SECONDS)
_FARTHEST_STEP = 2**63 - 2
"""Largest distance between the first and the last step."""


def from_numbers(table: Table, column: str, numbers: IntArray) -> Times:
    """Reads numbers as steps, or as the datetimes that they stand for.

    Raises:
        DataError: What they count is ambiguous, some are no dates as the others are, or they lie too far apart.
    """
    unit, given = table.options.time_unit, table.options.time_format
    pattern = given or (None if unit else _date_pattern(table, column, numbers))
    if pattern is not None:
        days = strptime([str(number) for number in numbers], pattern)
        if np.isnat(days).any():
            raise _wrong_dates(table, column, numbers, numbers[np.isnat(days)], pattern)
        notice = Notice("decision", f"numbers of column {column!r} were read as dates, such as {show_time(days[0])}")
        return Times(days, () if given else (notice,))
    low, high = int(numbers.min()), int(numbers.max())
    found = unit or next((each for each, least, most in _EPOCH_UNITS if least <= low and high < most), None)
    if found is None and _EXCEL_DAYS[0] <= low and high <= _EXCEL_DAYS[1]:
        raise DataError(
            f"whole numbers such as {numbers[0]} may be day numbers of Excel, or steps.",
            place=table.place(column, value=str(numbers[0])),
            hint=f"Say which with {option('time_unit', 'excel')} or {option('time_unit', 'step')}.",
        )
    if found is None or found == "step":
        if high - low > _FARTHEST_STEP:
            raise DataError(f"steps from {low} to {high} are too far apart.", place=table.place(column))
        notice = Notice("decision", f"column {column!r} counts steps ({low:,} to {high:,})")
        return Times(numbers, () if unit else (notice,))
    return _since_origin(table, column, numbers, found)


def _since_origin(table: Table, column: str, numbers: IntArray, unit: str) -> Times:
    """Returns the datetimes that many units after 1970, or after day 0 of Excel."""
    if unit in ("excel", "day"):
        require_years(table, column, numbers, unit)
        origin = _EXCEL_ORIGIN if unit == "excel" else np.datetime64(0, "us")
        return Times(origin + numbers.astype("timedelta64[D]"))
    values = in_microseconds(table, column, numbers, unit)
    text = f"numbers of column {column!r} were read as Unix {_EPOCH_NAMES[unit]}, the first as {show_time(values[0])}"
    return Times(values, () if table.options.time_unit else (Notice("decision", text),), is_utc=True)


def _date_pattern(table: Table, column: str, numbers: IntArray) -> str | None:
    """Returns the format in which all numbers are dates, such as `%Y%m%d`, or None; raises if only a few are none."""
    distinct = np.unique(numbers)
    low, high = int(distinct[0]), int(distinct[-1])
    num_digits = len(str(high))
    if low <= 0 or len(str(low)) != num_digits:
        return None
    pattern = _DATE_PATTERNS.get(num_digits)
    if pattern is not None and _begins_with_months(distinct, num_digits):
        is_date = ~np.isnat(strptime([str(number) for number in distinct], pattern))
        if is_date.all():
            return pattern
        if is_date.mean() >= _MAJORITY:
            raise _wrong_dates(table, column, numbers, distinct[~is_date], pattern)
    _refuse_brief_dates(table, column, distinct, num_digits)
    return None


def _begins_with_months(distinct: IntArray, num_digits: int) -> bool:
    """Returns whether most numbers begin with a year and a month, in years for which nothing else is likely."""
    first, last = (1600, 2299) if num_digits == 8 else (1900, 2099)
    months = distinct // 10 ** (num_digits - 6)
    years = months // 100
    is_month = (months % 100 >= 1) & (months % 100 <= 12)
    return bool(years[0] >= first and years[-1] <= last and is_month.mean() >= _MAJORITY)


def _refuse_brief_dates(table: Table, column: str, distinct: IntArray, num_digits: int) -> None:
    """Raises if numbers that span several months or years skip exactly those that are no dates."""
    pattern, block = _BRIEF_PATTERNS.get(num_digits, ("", 1))
    if not pattern or distinct[0] // block == distinct[-1] // block:
        return
    if not np.isnat(strptime([str(number) for number in distinct], pattern)).any():
        raise DataError(
            f"whole numbers such as {distinct[0]} may be dates in the format {pattern}, or steps.",
            place=table.place(column, value=str(distinct[0])),
            hint=f"Say which with {option('time_format', pattern)} or {option('time_unit', 'step')}.",
        )


def _wrong_dates(table: Table, column: str, numbers: IntArray, wrong: IntArray, pattern: str) -> DataError:
    rows = np.flatnonzero(np.isin(numbers, wrong))
    hint = share_hint(rows, len(numbers), f"Correct them, or give {option('time_unit', 'step')}.")
    what = f"is not a time in the format {pattern} of the others"
    return cell_error(table, column, rows, lambda row: str(numbers[row]), what, hint)
