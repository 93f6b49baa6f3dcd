"""Weekdays, hours and months in which a series was never observed, such as the Saturdays of a shop that is closed then.

Nothing is known of such steps, however many others there are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from seqcast.panel.arrays import BoolArray, IntArray
from seqcast.panel.calendar import month_numbers, resolved_cycles, weekdays
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.panel.notices import Names, Notice, SeriesNames
from seqcast.panel.panel import Panel
from seqcast.panel.wording import MONTHS, WEEKDAYS

FEWEST_ROWS = 2
"""Rows of a phase, all of them missing, from which it counts as never observed."""
CHANCE = 0.01
"""Largest probability that gaps at random would leave out any phase of the cycle, each step as often as the others."""
HOURS = tuple(f"{hour:02}:00" for hour in range(24))
_MOST_NAMES = 7


@dataclass(frozen=True)
class Cycle:
    """A cycle of the calendar, in named phases."""

    phases: tuple[str, ...]
    phase_of: Callable[[TimeArray], IntArray]
    """Number of the phase of each time."""


def _hours(times: TimeArray) -> IntArray:
    hours: IntArray = times.astype("datetime64[h]").astype(np.int64) % 24
    return hours


_WEEKDAY = Cycle(WEEKDAYS, weekdays)
_HOUR = Cycle(HOURS, _hours)
_HOUR_OF_WEEK = Cycle(
    tuple(f"{day} {hour}" for day in WEEKDAYS for hour in HOURS), lambda times: 24 * weekdays(times) + _hours(times)
)
_MONTH = Cycle(MONTHS, lambda times: month_numbers(times) % 12)


def calendar_phases(frequency: Frequency) -> tuple[Cycle, ...]:
    """The cycles whose phases steps of this frequency tell apart; coarse ones first."""
    resolved = resolved_cycles(frequency)
    chosen = {
        _MONTH: "year" in resolved or "month-of-year" in resolved,
        _WEEKDAY: "week" in resolved,
        _HOUR: "day" in resolved,
        _HOUR_OF_WEEK: "day" in resolved,
    }
    return tuple(cycle for cycle, is_resolved in chosen.items() if is_resolved)


@dataclass(frozen=True, eq=False)
class UnseenPhases:
    """The phases in which some series of a panel were never observed."""

    series: IntArray
    """(N,) the series with such phases."""
    cycles: tuple[Cycle, ...]
    unseen: tuple[BoolArray, ...]
    """(N, phases) of each cycle, True where a series was never observed."""

    def at(self, series: IntArray, times: TimeArray) -> BoolArray:
        """(W, H) True where a series (W,) was never observed in the phase of a time (W, H)."""
        found = np.zeros(times.shape, np.bool_)
        row = np.searchsorted(self.series, series).clip(max=max(len(self.series) - 1, 0))
        windows = np.flatnonzero(self.series[row] == series) if len(self.series) else row[:0]
        for cycle, unseen in zip(self.cycles, self.unseen, strict=True):
            if unseen.any() and len(windows):
                found[windows] |= unseen[row[windows, None], cycle.phase_of(times[windows])]
        return found

    def notices(self, panel: Panel) -> Iterator[Notice]:
        """A warning that names the series and the phases."""
        if not len(self.series):
            return
        names: list[str] = []
        for cycle, unseen in zip(self.cycles, self.unseen, strict=True):
            if cycle is not _HOUR_OF_WEEK or not names:
                names += [cycle.phases[phase] for phase in np.flatnonzero(unseen.any(axis=0))]
        who = SeriesNames.of(panel.series_ids, self.series, 5)
        when = Names(tuple(names), _MOST_NAMES, are_quoted=False)
        told = (" series (", who, ") were never observed on or at ", when, "; the intervals of such steps are wide")
        yield Notice.summable("repair", len(self.series), len(self.series), *told)


def unseen_phases(panel: Panel, ends: IntArray) -> UnseenPhases:
    """The phases without an observation between the first and the last one in the leading `ends` (series,) rows.

    A phase counts if it has rows, all of them are missing, and gaps as frequent as those of other rows would not leave
    it out.
    """
    cycles = calendar_phases(panel.frequency)
    position = np.arange(len(panel.target)) - np.repeat(panel.offsets[:-1], panel.lengths)
    observed = np.isfinite(panel.target) & (position < np.repeat(ends, panel.lengths))
    chosen, first, last = _with_gaps(panel, observed)
    if not cycles or not len(chosen):
        return UnseenPhases(chosen[:0], (), ())
    lengths = last - first + 1
    owner = np.repeat(np.arange(len(chosen)), lengths)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + first[owner]
    seen = observed[panel.offsets[chosen][owner] + step]
    times = panel.frequency.wall(panel.times(chosen[owner], step))
    unseen = tuple(_unseen(cycle, len(chosen), owner, cycle.phase_of(times), seen) for cycle in cycles)
    concerned = np.any([each.any(axis=1) for each in unseen], axis=0)
    return UnseenPhases(chosen[concerned], cycles, tuple(each[concerned] for each in unseen))


def _with_gaps(panel: Panel, observed: BoolArray) -> tuple[IntArray, IntArray, IntArray]:
    """The series with a missing row between two observed ones, and their first and last observed positions."""
    rows = np.flatnonzero(observed)
    owner = panel.series_of_row[rows]
    chosen, begin, count = np.unique(owner, return_index=True, return_counts=True)
    first, last = (rows[place] - panel.offsets[chosen] for place in (begin, begin + count - 1))
    has_gaps = last - first + 1 > count
    return chosen[has_gaps], first[has_gaps], last[has_gaps]


def _unseen(cycle: Cycle, num_series: int, owner: IntArray, phase: IntArray, seen: BoolArray) -> BoolArray:
    """(series, phases) True where a phase was never seen, and not by chance."""
    size = len(cycle.phases)
    cell = owner * size + phase
    shape = (num_series, size)
    rows = np.bincount(cell, minlength=num_series * size).reshape(shape)
    missing = np.bincount(cell[~seen], minlength=num_series * size).reshape(shape)
    other_rows, other_missing = (each.sum(axis=1, keepdims=True) - each for each in (rows, missing))
    chance = (other_missing / np.maximum(other_rows, 1)) ** rows
    found: BoolArray = (missing == rows) & (rows >= FEWEST_ROWS) & (other_rows > 0) & (chance < CHANCE / size)
    return found
