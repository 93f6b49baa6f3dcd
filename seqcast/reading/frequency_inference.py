"""Finds the frequency of sorted times over all series, or checks one that was given."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seqcast.errors import NOWHERE, DataError, Hint, Place, UsageError, option
from seqcast.panel.arrays import IntArray, evenly_spread
from seqcast.panel.calendar import month_numbers, weekdays
from seqcast.panel.clock import COMMON_ZONES, Clock, utc_offsets
from seqcast.panel.frequency import (
    DAY,
    HOUR,
    MINUTE,
    MONTH_END,
    SECOND,
    WEEK,
    Frequency,
    TimeArray,
    Unit,
    fixed_frequency,
    month_frequency,
    month_of,
    weekday_of,
)
from seqcast.panel.wording import quoted

_NO_SPACING = np.iinfo(np.int64).max
_COMMON_SHARE = 0.25
"""Least share of the spacings that makes the smallest one the step when another is more frequent."""
_TELLING_SPACINGS = 4
"""Number of equal spacings from which they count as the frequency of a series."""
_ODD_SHARE = 0.1
"""Largest share of rows on another day of the month that are called odd."""
_LARGEST_STEP = 2**62
_PROBED = 400
"""Times by which a zone is sought."""
_NUMBER_HINT = f"Otherwise number them (1, 2, 3, ...) in the time column, or give a shorter step with {option('freq')}."
_USUAL_STEPS = (
    *(number * SECOND for number in (1, 2, 5, 10, 15, 20, 30)),
    *(number * MINUTE for number in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(number * HOUR for number in (1, 2, 3, 4, 6, 8, 12)),
    *(DAY, WEEK),
)
"""Steps that are proposed for irregular times."""


@dataclass(frozen=True)
class TimeAxis:
    """The observed times of every series, sorted and without duplicates, and where they came from."""

    times: TimeArray
    offsets: IntArray
    """(series + 1,) series i owns `times[offsets[i]:offsets[i + 1]]`, never empty."""
    series_ids: tuple[str, ...]
    place: Place = NOWHERE
    origin_of: Callable[[int], Place] = lambda _row: NOWHERE
    """Returns the file and the line that a row of `times` was read from."""
    clock: Clock | None = None
    """The clock that the times follow; None where no zone is named."""

    def show(self, time: np.datetime64 | np.int64) -> str:
        """Returns a time as text, as the clock shows it where there is one."""
        return Frequency("", "microsecond", 1, clock=self.clock).show(time)

    def place_of(self, row: int) -> Place:
        return replace(self.origin_of(row), value=self.show(self.times[row]))

    @property
    def starts(self) -> TimeArray:
        """(series,) first time of each series."""
        return self.times[self.offsets[:-1]]

    @property
    def start_of_row(self) -> TimeArray:
        """(rows,) first time of the series that owns each row."""
        return self.starts[np.repeat(np.arange(len(self.series_ids)), np.diff(self.offsets))]

    @property
    def is_integer(self) -> bool:
        return self.times.dtype.kind == "i"

    @property
    def spacings(self) -> "Spacings":
        """Distances between neighbouring times of every series."""
        return Spacings(*self._counted, self, "integer" if self.is_integer else "microsecond")

    @cached_property
    def _counted(self) -> tuple[IntArray, IntArray]:
        # Kept without the axis: two objects that name each other would hold the table until the garbage collector runs.
        found = _count_spacings(self, "integer" if self.is_integer else "microsecond")
        return found.ticks, found.counts


@dataclass(frozen=True)
class Spacings:
    """The distinct differences between neighbouring times of a series and how often each occurs."""

    ticks: IntArray
    """Ascending."""
    counts: IntArray
    axis: TimeAxis
    unit: Unit
    """Unit of `ticks`."""

    def describe(self, most: int = 5) -> str:
        """Returns the most frequent spacings in words, such as `1 hour (512 times), 61 minutes (3 times)`."""
        order = np.argsort(-self.counts, kind="stable")[:most]
        words = [f"{self.spell(int(self.ticks[i]))} ({int(self.counts[i]):,} times)" for i in order]
        rest = len(self.ticks) - len(order)
        return ", ".join(words) + (f" and {rest:,} other spacings" if rest else "")

    def spell(self, ticks: int) -> str:
        return Frequency("", self.unit, 1).duration(ticks)


def infer_frequency(axis: TimeAxis) -> Frequency:
    """Finds the one frequency that all series share; gaps of whole steps are allowed.

    Raises:
        DataError: No series has two times, the spacing is irregular, or series have different frequencies.
    """
    spacings = axis.spacings
    if not len(spacings.ticks):
        raise DataError(
            "no series has two different times, so the frequency cannot be found.",
            place=axis.place,
            hint=f"Check the id column, or give {option('freq')}.",
        )
    monthly = None if axis.is_integer else _infer_months(axis, spacings)
    return monthly if monthly is not None else _named(axis, _common_step(spacings), spacings)


def regular_share(times: NDArray[np.datetime64]) -> float:
    """Returns the share of regular steps from the first to the last time at which there is one; 0 if irregular."""
    distinct = np.unique(times)
    axis = TimeAxis(distinct, np.array([0, len(distinct)]), ("",))
    try:
        frequency = infer_frequency(axis)
    except DataError:
        return 0.0
    steps = frequency.steps_between(distinct[:1], distinct[-1:])
    return len(distinct) / (int(steps[0]) + 1)


def _count_spacings(axis: TimeAxis, unit: Unit) -> Spacings:
    ticks_of_row: IntArray = axis.times.astype(np.int64, copy=False)
    differences = np.diff(ticks_of_row)
    between_series = axis.offsets[1:-1] - 1
    # the first difference that lies within a series
    within = int(np.argmin(np.isin(np.arange(len(between_series) + 1), between_series)))
    # Most tables have one spacing; then the few differences between series are all that is looked at twice.
    if len(differences) > within and np.isin(np.flatnonzero(differences != differences[within]), between_series).all():
        one, count = differences[within : within + 1].copy(), len(differences) - len(between_series)
        return Spacings(one, np.array([count], np.int64), axis, unit)
    ticks, counts = np.unique(np.delete(differences, between_series), return_counts=True)
    return Spacings(ticks, counts.astype(np.int64), axis, unit)


def check_frequency(frequency: Frequency, axis: TimeAxis) -> Frequency:
    """Returns the given frequency if the data agrees with it.

    Raises:
        UsageError: The frequency contradicts the data.
    """
    if (frequency.unit == "integer") != axis.is_integer:
        kind = "whole numbers" if axis.is_integer else "dates"
        raise UsageError(f"{option('freq', frequency.alias)} does not fit: the times are {kind}.", place=axis.place)
    _, on_grid = frequency.locate(axis.start_of_row, axis.times)
    named = on_grid & _on_named_anchor(frequency, axis)
    if not np.all(named):
        first = int(np.argmin(named))
        series = int(np.searchsorted(axis.offsets, first, side="right")) - 1
        start, time = axis.show(axis.starts[series]), axis.show(axis.times[first])
        found = f"begins at {start}" if start == time else f"begins at {start} and has {time}"
        raise UsageError(
            f"{option('freq', frequency.alias)} ({frequency.name}) contradicts the data: series "
            f"{quoted(axis.series_ids[series])} {found}; spacings found: {axis.spacings.describe()}.",
            place=axis.place_of(first),
            hint=_suggestion(axis),
        )
    return frequency


def _on_named_anchor(frequency: Frequency, axis: TimeAxis) -> NDArray[np.bool_]:
    """Returns whether each time falls on the weekday or month that the alias names."""
    weekday, month = weekday_of(frequency), month_of(frequency)
    if weekday is not None:
        return np.asarray(weekdays(axis.times) == weekday)
    if month is not None:
        cycle = 3 if frequency.multiple % 12 else 12
        return np.asarray((month_numbers(axis.times) - (month - 1)) % cycle == 0)
    return np.ones(len(axis.times), bool)


def _suggestion(axis: TimeAxis) -> Hint:
    try:
        found = infer_frequency(axis)
    except DataError:
        return _clock_hint(axis) if _shifts_by_an_hour(axis.spacings) else _regular_hint(axis.spacings)
    return f"Leave {option('freq')} out: the data is {found.name} ({found.alias})."


def _common_step(spacings: Spacings) -> int:
    """Returns the spacing that all others are multiples of; raises if there is none, or series keep to longer ones."""
    _refuse_mixed(spacings)
    step = int(np.gcd.reduce(spacings.ticks))
    counts = dict(zip(spacings.ticks.tolist(), spacings.counts.tolist(), strict=True))
    count = counts.get(step, 0)
    if count != max(counts.values()) and count < _COMMON_SHARE * sum(counts.values()):
        raise _irregular(spacings)
    if step >= _LARGEST_STEP:
        raise DataError(f"the times are too far apart: {spacings.describe()}.", place=spacings.axis.place)
    return step


def _irregular(spacings: Spacings) -> DataError:
    """Returns the error for irregular times; it names the first odd one where there is one."""
    message, axis = f"the times are not evenly spaced: {spacings.describe()}.", spacings.axis
    if _shifts_by_an_hour(spacings):
        return DataError(message, place=axis.place, hint=_clock_hint(axis))
    usual = int(spacings.ticks[np.argmax(spacings.counts)])
    odd = _odd_days_of_month(axis) if spacings.unit == "microsecond" and usual >= 28 * DAY else None
    if spacings.unit == "month" or (odd is not None and not len(odd)):
        return DataError(message, place=axis.place, hint=_regular_hint(spacings))
    if odd is not None:
        message += f" {axis.show(axis.times[odd[0]])} is on another day of the month than most."
        return DataError(message, place=axis.place_of(int(odd[0])), hint=_regular_hint(spacings))
    ticks: IntArray = axis.times.astype(np.int64, copy=False)
    is_odd = np.diff(ticks) % usual != 0
    is_odd[axis.offsets[1:-1] - 1] = False
    row = int(np.argmax(is_odd)) + 1
    message += f" {axis.show(axis.times[row])} comes {spacings.spell(int(ticks[row] - ticks[row - 1]))} after the last."
    return DataError(message, place=axis.place_of(row), hint=_regular_hint(spacings))


def _regular_hint(spacings: Spacings) -> Hint:
    """Returns how to make the times regular, with the step that suits their usual spacing."""
    if spacings.unit != "microsecond":
        return _NUMBER_HINT
    order = np.cumsum(spacings.counts)
    median = int(spacings.ticks[np.searchsorted(order, order[-1] / 2)])
    if median >= 28 * DAY:
        return (
            f"Aggregate the rows of each month with {option('resample', 'MS:mean')} (or sum, last, median).",
            _NUMBER_HINT,
        )
    nearest = min(_USUAL_STEPS, key=lambda step: abs(np.log(step / median)))
    alias = fixed_frequency(nearest, 0).alias
    aggregate = f"{option('resample', f'{alias}:mean')} (or sum, last, median)"
    if nearest <= DAY and _fit_rounded(spacings.axis, nearest):
        return (
            f"Move each time to the nearest step with {option('round', alias)}, or aggregate rows with {aggregate}.",
            _NUMBER_HINT,
        )
    return f"Aggregate the rows of each step with {aggregate}.", _NUMBER_HINT


def _fit_rounded(axis: TimeAxis, step: int) -> bool:
    """Returns whether rounding to a step leaves every row a step of its own."""
    ticks: IntArray = axis.times.astype(np.int64)
    together = np.diff((ticks + step // 2) // step) == 0
    together[axis.offsets[1:-1] - 1] = False
    return not together.any()


def _odd_days_of_month(axis: TimeAxis) -> IntArray:
    """Returns rows on another day than nearly all others, counted from the start or the end of the month."""
    day, length = _days_of_month(axis.times), _month_lengths(month_numbers(axis.times))
    differing = (day != np.bincount(day).argmax(), day != length)
    is_odd = min(differing, key=np.count_nonzero)
    return np.flatnonzero(is_odd) if is_odd.mean() <= _ODD_SHARE else np.array([], np.int64)


def _shifts_by_an_hour(spacings: Spacings) -> bool:
    """Returns whether spacings are whole days, or multiples of the usual one, except for an hour more or less."""
    if spacings.unit != "microsecond":
        return False
    step = min(int(spacings.ticks[np.argmax(spacings.counts)]), DAY)
    shifts = (spacings.ticks + HOUR) % step
    # of three hours every whole hour would be a shift
    return step > 3 * HOUR and bool(np.isin(shifts, (0, HOUR, 2 * HOUR)).all() and np.any(shifts != HOUR))


def _clock_hint(axis: TimeAxis) -> Hint:
    """Returns which zone makes times evenly spaced that shift by an hour, as local ones written in UTC do."""
    told = "They shift by an hour, as local times in UTC do where clocks change"
    zone = _fitting_zone(axis.times if axis.clock is None else axis.clock.utc(axis.times))
    if zone is None:
        return f"{told}: name their zone with {option('timezone')}, and add {option('utc')} if they have no offset."
    if axis.clock is None:
        return f"{told}: with {option('timezone', zone)} and {option('utc')} they are evenly spaced."
    return f"{told}: with {option('timezone', zone)} they are evenly spaced."


def _fitting_zone(utc: TimeArray) -> str | None:
    """Returns a zone by whose clock all times are at one time of day, at midnight if there is any such zone."""
    days = np.unique(utc)
    few = days[evenly_spread(len(days), _PROBED)]
    fitting: dict[bool, str] = {}
    for zone in COMMON_ZONES:
        clocks = few.astype(np.int64) + SECOND * utc_offsets(zone, few)
        if np.ptp(clocks % DAY) == 0:
            fitting.setdefault(bool(clocks[0] % DAY == 0), zone)
    return fitting.get(True, fitting.get(False))


def _named(axis: TimeAxis, step: int, spacings: Spacings) -> Frequency:
    if axis.is_integer:
        return Frequency(str(step), "integer", step)
    if step == DAY and 3 * DAY in spacings.ticks and not np.any(weekdays(axis.times) >= 5):
        return Frequency("B", "business_day", 1)
    first_weekdays = np.unique(weekdays(axis.starts))
    return fixed_frequency(step, int(first_weekdays[0]) if len(first_weekdays) == 1 else None)


def _infer_months(axis: TimeAxis, spacings: Spacings) -> Frequency | None:
    """Returns a step of whole months if all times share the day of the month (or its end) and the time of day."""
    if spacings.ticks[0] < 28 * DAY:
        return None
    months, day_of_month = month_numbers(axis.times), _days_of_month(axis.times)
    clock = axis.times - axis.times.astype("datetime64[D]").astype(axis.times.dtype)
    anchor = int(day_of_month.max())
    month_lengths = _month_lengths(months)
    if np.all(day_of_month == month_lengths):
        anchor = MONTH_END
    regular = np.all(day_of_month == np.minimum(anchor, month_lengths))
    if not regular or np.any(clock != np.repeat(clock[axis.offsets[:-1]], np.diff(axis.offsets))):
        return None
    in_months = replace(axis, times=months)
    step = _common_step(_count_spacings(in_months, "month"))
    phases = np.unique(month_numbers(axis.starts) % min(step, 12))
    is_named = len(phases) == 1 and (step == 3 or step % 12 == 0)
    return month_frequency(step, anchor, int(phases[0]) + 1 if is_named else None)


def _refuse_mixed(spacings: Spacings) -> None:
    """Raises if a series has a longer constant spacing than another; names the fewer ones."""
    axis = spacings.axis
    if len(axis.series_ids) == 1 or len(spacings.ticks) == 1 or spacings.counts[0] < _TELLING_SPACINGS:
        return
    ticks: IntArray = axis.times.astype(np.int64, copy=False)
    differences = np.append(np.diff(ticks), _NO_SPACING)
    differences[axis.offsets[1:] - 1] = _NO_SPACING
    smallest = np.minimum.reduceat(differences, axis.offsets[:-1])
    differences[axis.offsets[1:] - 1] = -1
    largest = np.maximum.reduceat(differences, axis.offsets[:-1])
    is_telling = np.diff(axis.offsets) > _TELLING_SPACINGS
    odd = np.flatnonzero((smallest == largest) & (smallest > smallest.min()) & is_telling)
    if not len(odd):
        return
    longest = int(smallest[odd].max())
    shortest = np.flatnonzero(smallest == smallest.min())
    named, others = odd, int(smallest.min())
    if len(odd) > len(shortest) and np.all(smallest[odd] == longest):  # those that are few are the odd ones
        named, others = shortest, longest
    shown = [f"{quoted(axis.series_ids[i])} has a row every {spacings.spell(int(smallest[i]))}" for i in named[:5]]
    alias = str(longest) if axis.is_integer else fixed_frequency(longest, 0).alias
    rest = f", {len(named) - 5:,} more" if len(named) > 5 else ""
    raise DataError(
        f"series have different frequencies: {', '.join(shown)}{rest}, others every {spacings.spell(others)}.",
        place=replace(axis.place, file=axis.origin_of(int(axis.offsets[named[0]])).file),
        hint=(
            f"Aggregate the rows of each step with {option('resample', f'{alias}:mean')} (or sum, last, median),",
            f"or give the shortest with {option('freq')} to leave gaps.",
        ),
    )


def _days_of_month(times: TimeArray) -> IntArray:
    """Returns the day of the month of each time, 1 to 31."""
    days = times.astype("datetime64[D]")
    of_month: IntArray = (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    return of_month


def _month_lengths(months: IntArray) -> IntArray:
    first: NDArray[np.datetime64] = months.astype("datetime64[M]")
    next_first: NDArray[np.datetime64] = first + np.timedelta64(1, "M")
    lengths: NDArray[np.timedelta64] = next_first.astype("datetime64[D]") - first.astype("datetime64[D]")
    return lengths.astype(np.int64)
