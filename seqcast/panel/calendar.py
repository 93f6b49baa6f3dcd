"""Calendar features: where each time stands in the cycles that its frequency resolves."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.frequency import DAY, HOUR, SECOND, WEEK, Frequency, TimeArray

Times = NDArray[np.datetime64]
Phase = Callable[[Times], FloatArray]
"""Maps times to their place in one cycle, from 0 (its start) up to but not including 1."""


def weekdays(times: TimeArray) -> IntArray:
    """Returns the weekday of each time, 0 = Monday."""
    # 1970-01-01 was a Thursday
    return (times.astype("datetime64[D]").astype(np.int64) + 3) % 7


def month_numbers(times: TimeArray) -> IntArray:
    """Returns the months from January 1970 to each time."""
    return times.astype("datetime64[M]").astype(np.int64)


def _seconds_into(times: Times, unit: str) -> FloatArray:
    cycle: Times = times.astype(unit).astype(times.dtype)
    return np.asarray((times - cycle) / np.timedelta64(1, "s"), np.float64)


def _days_into(times: Times, unit: Literal["M", "Y"]) -> FloatArray:
    """Days since the beginning of the month or year as a share of its days."""
    cycle: Times = times.astype(f"datetime64[{unit}]")
    next_cycle: Times = cycle + np.timedelta64(1, unit)
    first = cycle.astype("datetime64[D]").astype(np.int64)
    length = next_cycle.astype("datetime64[D]").astype(np.int64) - first
    return (times.astype("datetime64[D]").astype(np.int64) - first) / length


CYCLES: tuple[tuple[str, Phase], ...] = (
    ("hour", lambda times: _seconds_into(times, "datetime64[h]") / 3600),
    ("day", lambda times: _seconds_into(times, "datetime64[D]") / 86_400),
    ("week", lambda times: weekdays(times) / 7),
    ("month", lambda times: _days_into(times, "M")),
    ("year", lambda times: _days_into(times, "Y")),
    ("month-of-year", lambda times: month_numbers(times) % 12 / 12),
    ("quarter-of-year", lambda times: month_numbers(times) % 12 // 3 / 4),
)
"""Each cycle and the phase of a time in it; a further calendar feature is a line here and one in `_resolves`."""

_LENGTHS = {"hour": HOUR, "day": DAY, "week": WEEK, "month": 30 * DAY}
"""Lengths of the cycles that are shorter than a year, in microseconds."""


def resolved_cycles(frequency: Frequency) -> tuple[str, ...]:
    """Returns the cycles that steps of this frequency can show; integer and yearly steps have none."""
    return tuple(name for name, _ in CYCLES if _resolves(frequency, name))


def recurring_cycles(frequency: Frequency, starts: TimeArray, ends: TimeArray) -> tuple[str, ...]:
    """Returns the resolved cycles that recur at least twice between the first start and the last end (exclusive).

    A cycle seen only once tells dates apart, and a network would learn those by heart.
    """
    cycles = resolved_cycles(frequency)
    if not cycles:
        return ()
    span = (ends.max() - starts.min()) / np.timedelta64(1, "us")
    return tuple(name for name in cycles if span >= 2 * _LENGTHS.get(name, 365 * DAY))


def calendar_names(cycles: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the columns of `calendar_features`, in order: `sin-<cycle>`, `cos-<cycle>` for each cycle."""
    return tuple(f"{wave}-{name}" for name, _ in CYCLES if name in cycles for wave in ("sin", "cos"))


def calendar_features(cycles: tuple[str, ...], times: TimeArray) -> NDArray[np.float32]:
    """Computes sine and cosine of the place of each time in each cycle.

    Args:
        cycles: Names in `CYCLES`.
        times: (n,) times of the panel.

    Returns:
        (n, len(calendar_names(cycles))) values in [-1, 1].
    """
    features = np.empty((len(times), len(calendar_names(cycles))), np.float32)
    present = (phase for name, phase in CYCLES if name in cycles)
    for column, phase in enumerate(present):
        angle = 2 * np.pi * phase(times.astype(times.dtype, copy=False))
        features[:, 2 * column], features[:, 2 * column + 1] = np.sin(angle), np.cos(angle)
    return features


def _resolves(frequency: Frequency, cycle: str) -> bool:
    """Returns whether one step is shorter than the cycle and long enough to see it move."""
    if frequency.unit == "integer":
        return False
    if frequency.unit == "month":
        months = frequency.multiple
        return (cycle == "month-of-year" and months < 12 and months != 3) or (
            cycle == "quarter-of-year" and months == 3
        )
    step = frequency.multiple * DAY if frequency.unit == "business_day" else frequency.multiple
    return {
        "hour": SECOND <= step < HOUR,
        "day": step < DAY,
        "week": step < WEEK,
        "month": DAY <= step < WEEK,
        "year": step < 26 * WEEK,
    }.get(cycle, False)
