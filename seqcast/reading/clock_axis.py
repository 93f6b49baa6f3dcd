"""Finds the regular axis of times whose zone is known: UTC for hours and less, the clock for days and more."""

from dataclasses import replace

import numpy as np

from seqcast.errors import DataError, UsageError
from seqcast.panel.clock import Clock, is_fixed, to_wall, unskipped
from seqcast.panel.frequency import DAY, Frequency
from seqcast.reading.frequency_inference import TimeAxis, check_frequency, infer_frequency


def regular_axis(axis: TimeAxis, zone: str | None, given: Frequency | None) -> tuple[TimeAxis, Frequency]:
    """Returns the axis on which the times are evenly spaced, and its frequency.

    A day of a clock is one step although it may last 23 or 25 hours, so steps of days, weeks and months follow the
    clock. Steps of hours and less follow UTC, where no hour is missing or doubled, unless only the clock spaces them
    evenly, as four times a day at fixed hours.

    Args:
        axis: Sorted times, UTC where a zone is known.
        zone: Name or offset; None where times name none.
        given: The frequency that they must have; found if None.

    Raises:
        DataError: The times are not evenly spaced.
        UsageError: The given frequency contradicts them.
    """
    if zone is None or axis.is_integer:
        return axis, _frequency(axis, given)
    wall = _wall_axis(axis, zone)
    if is_fixed(zone):
        return wall, _frequency(wall, given)
    by_clock = _attempt(wall, given) if np.all(wall.spacings.ticks > 0) else None
    if isinstance(by_clock, Frequency) and _lasts_days(by_clock) and not _only_utc_midnights(axis, wall):
        return wall, by_clock
    in_utc = replace(axis, clock=Clock(zone, on_wall=False))
    by_utc = _attempt(in_utc, given)
    if isinstance(by_utc, Frequency):
        return in_utc, by_utc
    if isinstance(by_clock, Frequency):
        return wall, by_clock
    usual = int(np.median(np.diff(axis.times[: axis.offsets[1]]).astype(np.int64))) if axis.offsets[1] > 1 else 0
    raise by_clock if by_clock is not None and usual > DAY // 2 else by_utc


def _frequency(axis: TimeAxis, given: Frequency | None) -> Frequency:
    found = infer_frequency(axis) if given is None else check_frequency(given, axis)
    return replace(found, clock=axis.clock)


def _attempt(axis: TimeAxis, given: Frequency | None) -> Frequency | DataError | UsageError:
    try:
        return _frequency(axis, given)
    except (DataError, UsageError) as error:
        return error


def _wall_axis(axis: TimeAxis, zone: str) -> TimeAxis:
    """Returns the axis in times of the clock; those that a skipped hour moved stand at their usual time of day."""
    wall = to_wall(zone, axis.times)
    if not is_fixed(zone):
        clocks, counts = np.unique(wall - wall.astype("datetime64[D]").astype(wall.dtype), return_counts=True)
        if counts.max() > len(wall) / 2:
            wall = unskipped(zone, wall, axis.times, clocks[np.argmax(counts)])
    return replace(axis, times=wall, clock=Clock(zone, on_wall=True))


def _lasts_days(frequency: Frequency) -> bool:
    return frequency.unit != "microsecond" or frequency.multiple % DAY == 0


def _only_utc_midnights(axis: TimeAxis, wall: TimeAxis) -> bool:
    """Returns whether days begin at midnight of UTC, not of the clock."""
    return _are_midnights(axis) and not _are_midnights(wall)


def _are_midnights(axis: TimeAxis) -> bool:
    return bool(np.all(axis.times == axis.times.astype("datetime64[D]").astype(axis.times.dtype)))
