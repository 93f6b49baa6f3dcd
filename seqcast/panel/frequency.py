"""The frequency of a panel: one regular step of time, arithmetic with it, and its pandas alias."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqcast.errors import DataError, UsageError, option
from seqcast.panel.arrays import IntArray
from seqcast.panel.clock import Clock, is_fixed, offset_texts, utc_offsets
from seqcast.panel.wording import MONTHS, WEEKDAYS, counted, duration_text, show_time

TimeArray = NDArray[np.datetime64] | NDArray[np.int64]
"""datetime64[us], or int64 where the time column counts steps."""

_Ticks = NDArray[Any]
"""A `TimeArray` inside this module, where both kinds take part in the same arithmetic."""

Unit = Literal["integer", "microsecond", "business_day", "month"]

MILLISECOND = 1_000
SECOND = 1_000 * MILLISECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
MONTH_END = 31
"""Anchor of month-end data: the day of the month is cut to the length of each month."""

_LONGEST_STEP = 2**62
_LONGEST_REACH = 2**62
"""Microseconds that steps may lead away from a time of four-digit years without overflow."""
_LONGEST_UNIT = {"microsecond": 1, "business_day": 3 * DAY, "month": 31 * DAY}
_PARTS = (
    *((WEEK, "week"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second")),
    *((MILLISECOND, "millisecond"), (1, "microsecond")),
)
_SIZES = ((DAY, "D"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (MILLISECOND, "ms"), (1, "us"))
_SEASONS_BY_STEP = ((DAY, (7,)), (WEEK, (52,)))
_EVERY = {WEEK: "weekly", DAY: "daily", HOUR: "hourly", MINUTE: "every minute", SECOND: "every second"}
_MONTHLY = {1: "monthly", 3: "quarterly", 12: "yearly"}
_WEEKDAY_CODES = tuple(day[:3].upper() for day in WEEKDAYS)
_MONTH_NAMES = tuple(month[:3].upper() for month in MONTHS)


@dataclass(frozen=True)
class Frequency:
    """One regular step of time.

    `advance(start, n)` is defined for every unit; a month step keeps its anchor (month start, month end, day of month).
    """

    alias: str
    unit: Unit
    multiple: int
    """Units in one step."""
    anchor: int = 1
    """Day of month of a month step; 29 to 31 are cut to the length of the month, so 31 is the month end."""
    clock: Clock | None = None
    """The clock of the time zone that the data name; None where they name none."""

    def advance(self, starts: TimeArray, steps: IntArray) -> TimeArray:
        """Returns the times `steps` steps after `starts`; the arrays broadcast.

        Raises:
            DataError: A time would lie too far away to be counted in microseconds.
        """
        origins: _Ticks = np.asarray(starts)
        units: IntArray = np.asarray(steps, dtype=np.int64) * self.multiple
        if self.unit == "integer":
            return origins + units
        self._require_reach(np.asarray(steps))
        times: _Ticks
        if self.unit == "microsecond":
            times = origins + units.astype("timedelta64[us]")
            return times
        if self.unit == "month":
            times = _on_anchor(origins.astype("datetime64[M]") + units.astype("timedelta64[M]"), self.anchor)
        else:
            times = np.busday_offset(origins.astype("datetime64[D]"), units, roll="forward")
        return times.astype(origins.dtype) + _clock(origins)

    def steps_between(self, starts: TimeArray, times: TimeArray) -> IntArray:
        """Returns the whole steps from `starts` to `times`; inverse of `advance`.

        Raises:
            DataError: A time does not lie on the grid that begins at its start.
        """
        steps, on_grid = self.locate(starts, times)
        if not np.all(on_grid):
            wide_starts, wide_times, wide_on = np.broadcast_arrays(starts, times, on_grid)
            first = int(np.flatnonzero(~wide_on.ravel())[0])
            raise DataError(
                f"time {show_time(wide_times.ravel()[first])} is not a whole number of steps ({self.name}) after "
                f"{show_time(wide_starts.ravel()[first])}."
            )
        return steps

    def locate(self, starts: TimeArray, times: TimeArray) -> tuple[IntArray, NDArray[np.bool_]]:
        """Returns the whole steps from `starts` to `times`, and whether each time is on the grid of its start."""
        origins: _Ticks = np.asarray(starts)
        reached: _Ticks = np.asarray(times)
        if self.unit == "microsecond":
            difference: _Ticks = (reached - origins).astype(np.int64)
            steps, rest = np.divmod(difference, self.multiple)
            return steps, rest == 0
        if self.unit == "integer":
            units, on_grid = reached - origins, np.ones(np.broadcast_shapes(reached.shape, origins.shape), bool)
        elif self.unit == "month":
            units, on_grid = self._months_between(origins, reached)
        else:
            units, on_grid = _business_days_between(origins, reached)
        steps, rest = np.divmod(units, self.multiple)
        return steps, on_grid & (rest == 0)

    def lagged(self, cutoffs: TimeArray, lags: IntArray) -> TimeArray:
        """Returns the times of the context steps `lags` steps before the first forecast step; the arrays broadcast.

        Where clocks changed since, a lag is counted on the clock: 24 hours back is the same hour of the day before.
        """
        steps: IntArray = 1 - np.asarray(lags, dtype=np.int64)
        ahead = self.clock_steps(self.advance(cutoffs, steps), self.advance(cutoffs, np.ones(1, np.int64)))
        return self.advance(cutoffs, steps if ahead is None else steps - ahead)

    def clock_steps(self, times: TimeArray, since: TimeArray) -> IntArray | None:
        """Returns by how many steps the clock was put forward from the times `since` to `times`; they broadcast.

        None where the steps keep to the clock, or where it did not change by whole steps.
        """
        if self.clock is None or self.clock.on_wall or is_fixed(self.clock.zone):
            return None
        zone = self.clock.zone
        changes = SECOND * (utc_offsets(zone, np.asarray(times)) - utc_offsets(zone, np.asarray(since)))
        steps, rest = np.divmod(changes, self.multiple)
        return steps if steps.any() and not rest.any() else None

    def wall(self, times: TimeArray) -> TimeArray:
        """Returns the times that the clock shows; the times themselves where there is no clock."""
        return times if self.clock is None else self.clock.wall(times)

    def show(self, time: np.datetime64 | np.int64) -> str:
        """Returns a time as text, with its offset from UTC where the data name a zone."""
        if self.clock is None or not isinstance(time, np.datetime64):
            return show_time(time)
        return zoned_texts(self.clock, np.array([time], "datetime64[us]"))[0]

    def iso(self, time: np.datetime64 | np.int64) -> str:
        """Returns a time for a document: as `show`, with a T before the time of day."""
        return self.show(time).replace(" ", "T")

    @property
    def seasons(self) -> tuple[int, ...]:
        """Natural seasonal periods in steps, shortest first: (24, 168) for hourly data; empty when none."""
        if self.unit == "business_day":
            return (5,) if self.multiple == 1 else ()
        if self.unit == "month":
            return (12 // self.multiple,) if self.multiple < 12 and 12 % self.multiple == 0 else ()
        if self.unit == "integer":
            return ()
        if self.multiple <= SECOND:
            return _whole(self.multiple, (MINUTE, HOUR))
        if self.multiple < DAY:
            return _whole(self.multiple, (DAY, WEEK))
        return next((seasons for step, seasons in _SEASONS_BY_STEP if step == self.multiple), ())

    def duration(self, num_steps: int) -> str:
        """Returns `num_steps` in words: "1 day", "1 week", "1 day 13 hours", "18 steps" for integer times."""
        sign, amount = ("-" if num_steps < 0 else ""), abs(num_steps) * self.multiple
        if self.unit == "integer":
            return sign + counted(abs(num_steps), "step")
        if self.unit == "business_day":
            return sign + counted(amount, "business day")
        if self.unit == "month":
            small, size = ("quarter", 3) if self.multiple % 3 == 0 else ("month", 1)
            return sign + duration_text(amount, ((12, "year"), (size, small)), smallest=self.multiple)
        return sign + duration_text(amount, _PARTS, smallest=self.multiple)

    @property
    def name(self) -> str:
        """The step in words: "hourly", "every 30 minutes", "monthly at month start", "weekly on Sundays"."""
        if self.unit == "integer":
            return "integer steps" if self.multiple == 1 else f"integer steps of {self.multiple}"
        if self.unit == "business_day":
            return "every business day" if self.multiple == 1 else f"every {self.multiple} business days"
        if self.unit == "month":
            rhythm = _MONTHLY.get(self.multiple, f"every {self.multiple} months")
            named = {1: "at month start", MONTH_END: "at month end"}
            return f"{rhythm} {named.get(self.anchor, f'on day {self.anchor}')}"
        if self.multiple in _EVERY:
            weekday = weekday_of(self) if self.multiple == WEEK else None
            return _EVERY[self.multiple] + (f" on {WEEKDAYS[weekday]}s" if weekday is not None else "")
        return "every " + self.duration(1)

    def _require_reach(self, steps: IntArray) -> None:
        if not steps.size:
            return
        furthest = max(abs(int(steps.min())), abs(int(steps.max())))
        if furthest * self.multiple * _LONGEST_UNIT[self.unit] > _LONGEST_REACH:
            raise DataError(f"{furthest:,} steps ({self.name}) lead too far away for times to be counted.")

    def _months_between(self, starts: _Ticks, times: _Ticks) -> tuple[IntArray, NDArray[np.bool_]]:
        months = times.astype("datetime64[M]")
        units = (months - starts.astype("datetime64[M]")).astype(np.int64)
        on_anchor = times.astype("datetime64[D]") == _on_anchor(months, self.anchor)
        return units, on_anchor & (_clock(times) == _clock(starts))


def zoned_texts(clock: Clock, times: NDArray[np.datetime64]) -> list[str]:
    """Returns times of a panel as its clock shows them, with their offset: `2024-03-31 03:00:00+02:00`."""
    wall = clock.wall(times)
    offsets = (wall - clock.utc(times)).astype("timedelta64[s]").astype(np.int64)
    shown = [show_time(time) for time in wall]
    return [
        f"{text if ':' in text else text + ' 00:00:00'}{offset}"
        for text, offset in zip(shown, offset_texts(offsets), strict=True)
    ]


def parse_frequency(alias: str) -> Frequency:
    """Reads a pandas alias, old (`H`, `T`, `M`, `A`) or new (`h`, `min`, `ME`, `YE`), or an integer step.

    Also reads every alias this module writes (`MS@15`: the 15th of each month).

    Raises:
        UsageError: The alias is unknown or its step is not positive.
    """
    text = alias.strip()
    match = re.fullmatch(r"([0-9]{0,18})\s*([A-Za-z]*)(?:-([A-Za-z]{3}))?(?:@([0-9]{1,2}))?", text)
    if match is None or not text:
        raise _unknown(alias)
    digits, code, suffix, day = match.groups()
    multiple = int(digits) if digits else 1
    if multiple == 0:
        raise UsageError(f"{option('freq', repr(alias))}: a step must be positive.")
    if not code and digits and suffix is None and day is None:
        return Frequency(str(multiple), "integer", multiple)
    return _named_frequency(alias, code, multiple, suffix, day)


def fixed_frequency(microseconds: int, weekday: int | None = None) -> Frequency:
    """Returns the frequency of a step of constant length; `weekday` (0 = Monday) is the anchor of weekly data."""
    if microseconds % WEEK == 0 and weekday is not None:
        alias = f"{_times(microseconds // WEEK)}W-{_WEEKDAY_CODES[weekday]}"
    else:
        size, code = next(pair for pair in _SIZES if microseconds % pair[0] == 0)
        alias = f"{_times(microseconds // size)}{code}"
    return Frequency(alias, "microsecond", microseconds)


def month_frequency(multiple: int, anchor: int, month: int | None = None) -> Frequency:
    """Returns the frequency of a step of whole months; `month` (1 to 12) is the anchor of quarters and years."""
    end = "E" if anchor == MONTH_END else "S"
    day = "" if anchor in (1, MONTH_END) else f"@{anchor}"
    if multiple % 12 == 0:
        code, count, cycle = "Y", multiple // 12, 12
    elif multiple == 3 or (multiple % 3 == 0 and month is not None):
        code, count, cycle = "Q", multiple // 3, 3
    else:
        return Frequency(f"{_times(multiple)}M{end}{day}", "month", multiple, anchor)
    if month is not None and cycle == 3:
        # pandas names quarters by their first start month and by their last end month
        month = (month - 1) % 3 + (10 if end == "E" else 1)
    suffix = "" if month is None else f"-{_MONTH_NAMES[month - 1]}"
    return Frequency(f"{_times(count)}{code}{end}{suffix}{day}", "month", multiple, anchor)


def weekday_of(frequency: Frequency) -> int | None:
    """Returns the weekday (0 = Monday) that a weekly alias such as `W-SUN` names, or None."""
    match = re.search(r"W-([A-Z]{3})$", frequency.alias)
    return _WEEKDAY_CODES.index(match.group(1)) if match and frequency.unit == "microsecond" else None


def month_of(frequency: Frequency) -> int | None:
    """Returns the month (1 to 12) that an alias such as `QS-FEB` or `YE-DEC` names, or None."""
    match = re.search(r"-([A-Z]{3})", frequency.alias)
    return _MONTH_NAMES.index(match.group(1)) + 1 if match and frequency.unit == "month" else None


def _named_frequency(alias: str, code: str, multiple: int, suffix: str | None, day: str | None) -> Frequency:
    names, anchored = (_WEEKDAY_CODES if code == "W" else _MONTH_NAMES), suffix is not None
    place = names.index(suffix.upper()) if suffix is not None and suffix.upper() in names else None
    too_long = UsageError(f"{option('freq', repr(alias))}: a step that long is not supported.")
    if code in ("N", "ns"):
        raise UsageError(f"{option('freq', repr(alias))}: steps below a microsecond are not supported.")
    if anchored and place is None:
        raise _unknown(alias)
    if code in _FIXED_CODES and day is None and (code == "W" or not anchored):
        if multiple * _FIXED_CODES[code] >= _LONGEST_STEP:
            raise too_long
        return fixed_frequency(multiple * _FIXED_CODES[code], place)
    if code == "B" and day is None and not anchored:
        return Frequency(f"{_times(multiple)}B", "business_day", multiple)
    if code in _MONTH_CODES and (day is None or 1 <= int(day) <= MONTH_END):
        size, anchor = _MONTH_CODES[code]
        if multiple * size > 12_000:
            raise too_long
        if size > 1 or not anchored:
            return month_frequency(multiple * size, int(day) if day else anchor, None if place is None else place + 1)
    raise _unknown(alias)


def _unknown(alias: str) -> UsageError:
    return UsageError(
        f"{option('freq', repr(alias[:40]))} is not a frequency.",
        hint="Use a pandas alias such as h, 30min, D, B, W-SUN, MS, ME, QS, YS, or a whole number for integer times.",
    )


_FIXED_CODES = {
    "W": WEEK,
    **dict.fromkeys(("D", "d"), DAY),
    **dict.fromkeys(("H", "h"), HOUR),
    **dict.fromkeys(("T", "min"), MINUTE),
    **dict.fromkeys(("S", "s"), SECOND),
    **dict.fromkeys(("L", "ms"), MILLISECOND),
    **dict.fromkeys(("U", "us"), 1),
}
_MONTH_CODES = {
    "MS": (1, 1),
    **dict.fromkeys(("M", "ME"), (1, MONTH_END)),
    "QS": (3, 1),
    **dict.fromkeys(("Q", "QE"), (3, MONTH_END)),
    **dict.fromkeys(("YS", "AS"), (12, 1)),
    **dict.fromkeys(("Y", "YE", "A"), (12, MONTH_END)),
}


def _times(multiple: int) -> str:
    return "" if multiple == 1 else str(multiple)


def _whole(step: int, periods: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(period // step for period in periods if period % step == 0 and period > step)


def _clock(times: _Ticks) -> _Ticks:
    """Time since midnight."""
    clock: _Ticks = times - times.astype("datetime64[D]").astype(times.dtype)
    return clock


def _on_anchor(months: _Ticks, anchor: int) -> _Ticks:
    """The anchor day of each month, cut to the month's length."""
    first: _Ticks = months.astype("datetime64[D]")
    if anchor == 1:
        return first
    next_first: _Ticks = (months + np.timedelta64(1, "M")).astype("datetime64[D]")
    return np.minimum(first + np.timedelta64(anchor - 1, "D"), next_first - np.timedelta64(1, "D"))


def _business_days_between(starts: _Ticks, times: _Ticks) -> tuple[IntArray, NDArray[np.bool_]]:
    days = times.astype("datetime64[D]")
    units = np.busday_count(starts.astype("datetime64[D]"), days)
    return np.asarray(units, dtype=np.int64), np.is_busday(days) & (_clock(times) == _clock(starts))
