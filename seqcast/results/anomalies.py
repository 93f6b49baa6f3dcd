"""Observations outside of the interval of a forecast, and the events that they are joined into."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.frequency import Frequency, TimeArray

DataPart = Literal["training", "validation", "new"]
"""Where an observation stands: the model has learned from the training part and its intervals from the validation part,
and neither from what is new."""
DATA_PARTS: tuple[DataPart, ...] = get_args(DataPart)


@dataclass(frozen=True, eq=False)
class AttendedLags:
    """The K most attended lags of N forecast steps, counted back from the step."""

    lags: IntArray
    """(N, K) by falling weight."""
    weights: FloatArray
    """(N, K)"""


@dataclass(frozen=True, eq=False)
class Anomalies:
    """N observations outside of the interval, sorted by series in input order, then by time."""

    level: float
    """Level of the interval in percent."""
    frequency: Frequency
    series_ids: tuple[str, ...]
    """(N,)"""
    times: TimeArray
    """(N,)"""
    cutoffs: TimeArray
    """(N,) last time that the forecast knew."""
    parts: NDArray[np.str_]
    """(N,) a `DataPart` each."""
    values: FloatArray
    """(N,) what was observed."""
    point: FloatArray
    """(N,) what was expected."""
    low: FloatArray
    """(N,) lower bound of the interval."""
    high: FloatArray
    """(N,) upper bound of the interval."""
    scores: FloatArray
    """(N,) normal score of the observation in the distribution of its forecast: below zero under the median."""
    events: IntArray
    """(N,) number of the event that each belongs to, from 1."""
    lags: AttendedLags | None = None
    """The lags behind the expectation; None for a model without attention."""

    def __len__(self) -> int:
        return len(self.series_ids)

    @property
    def num_events(self) -> int:
        return int(self.events.max(initial=0))

    @property
    def event_bounds(self) -> tuple[IntArray, IntArray]:
        """(E,) index of the first observation of each event, and (E,) of the last one."""
        numbers = np.arange(1, self.num_events + 1)
        first: IntArray = np.searchsorted(self.events, numbers)
        last: IntArray = np.searchsorted(self.events, numbers, side="right") - 1
        return first, last

    @property
    def peaks(self) -> IntArray:
        """(E,) index of the observation of each event whose score is farthest from zero."""
        first, last = self.event_bounds
        found = [
            start + int(np.argmax(np.abs(self.scores[start : end + 1]))) for start, end in zip(first, last, strict=True)
        ]
        return np.array(found, dtype=np.int64)


def joined_events(series: IntArray, positions: IntArray, largest_gap: int) -> IntArray:
    """(N,) number of the event of each anomaly, from 1: of one series, and at most `largest_gap` steps between two.

    Args:
        series: (N,) rising.
        positions: (N,) rising within each series.
        largest_gap: Steps that are no anomalies between two anomalies of one event.
    """
    if not len(series):
        return np.empty(0, np.int64)
    begins = (np.diff(series) != 0) | (np.diff(positions) > largest_gap + 1)
    events: IntArray = np.concatenate([[1], 1 + np.cumsum(begins)])
    return events
