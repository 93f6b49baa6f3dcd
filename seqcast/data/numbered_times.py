"""Whole numbers as times: dates, seconds since 1970, days of Excel, or plain steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqcast.data.datetimes import UNIT_SECONDS, Times, in_storage_unit, require_years, strptime
from seqcast.data.frequency import show_time
from seqcast.data.notices import Notice
from seqcast.data.table import Table
from seqcast.errors import DataError

_EPOCH_UNITS = (("s", 10**8, 10**10), ("ms", 10**11, 10**13), ("us", 10**14, 10**16), ("ns", 10**17, 2**62))
_EPOCH_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_EXCEL_DAYS = (25_569, 73_050)
"""The years 1970 to 2099; steps that are counted from the beginning of the data lie below."""
_EXCEL_ORIGIN = np.datetime64("1899-12-30", "s")
TIME_UNITS = ("step", *UNIT_SECONDS)
_FARTHEST_STEP = 2**63 - 2
"""Between the first and the last step."""


def from_numbers(table: Table, column: str, numbers: NDArray[np.int64]) -> Times:
    """Steps, or the datetimes that the numbers count.

    Raises:
        DataError: What they count is ambiguous, or they lie too far apart.
    """
    unit = table.options.time_unit
    pattern = None if unit else _date_pattern(numbers)
    if pattern is not None:
        days = strptime([str(number) for number in numbers], pattern)
        notice = Notice("decision", f"numbers of column {column!r} were read as dates, such as {show_time(days[0])}")
        return Times(in_storage_unit(days), (notice,))
    found = unit or _epoch_unit(numbers)
    if found is None and _may_be_excel_days(numbers):
        raise DataError(
            f"whole numbers such as {numbers[0]} may be day numbers of Excel, or steps.",
            place=table.place(column, value=str(numbers[0])),
            hint="Say which with --time-unit excel or --time-unit step.",
        )
    if found is None or found == "step":
        if int(numbers.max()) - int(numbers.min()) > _FARTHEST_STEP:
            raise DataError(
                f"steps from {numbers.min()} to {numbers.max()} are too far apart.", place=table.place(column)
            )
        notice = Notice("decision", f"column {column!r} counts steps ({numbers.min():,} to {numbers.max():,})")
        return Times(numbers, () if unit else (notice,))
    return _since_origin(table, column, numbers, found)


def _since_origin(table: Table, column: str, numbers: NDArray[np.int64], unit: str) -> Times:
    """Datetimes that many units after 1970, or Excel's day 0."""
    require_years(table, column, numbers, unit)
    if unit in ("excel", "day"):
        origin = _EXCEL_ORIGIN if unit == "excel" else np.datetime64(0, "s")
        return Times(in_storage_unit(origin + numbers.astype("timedelta64[D]").astype("timedelta64[s]")))
    values = in_storage_unit(numbers.astype(f"datetime64[{unit}]"))
    text = f"numbers of column {column!r} were read as Unix {_EPOCH_NAMES[unit]}, the first as {show_time(values[0])}"
    return Times(values, () if table.options.time_unit else (Notice("decision", text),), is_zoned=True)


def _date_pattern(numbers: NDArray[np.int64]) -> str | None:
    """`%Y%m%d` or `%Y%m` where all numbers are written so."""
    distinct = np.unique(numbers)
    low, high = int(distinct[0]), int(distinct[-1])
    if low >= 16_000_101 and high <= 22_991_231:
        days = strptime([str(number) for number in distinct], "%Y%m%d")
        return None if np.isnat(days).any() else "%Y%m%d"
    month = distinct % 100
    return "%Y%m" if low >= 190_001 and high <= 209_912 and month.min() >= 1 and month.max() <= 12 else None


def _may_be_excel_days(numbers: NDArray[np.int64]) -> bool:
    return bool(numbers.min() >= _EXCEL_DAYS[0] and numbers.max() <= _EXCEL_DAYS[1])


def _epoch_unit(numbers: NDArray[np.int64]) -> str | None:
    low, high = int(numbers.min()), int(numbers.max())
    return next((unit for unit, least, most in _EPOCH_UNITS if least <= low and high < most), None)
