"""Origins: the points in time from which a panel is forecast."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from seqcast.errors import DataError
from seqcast.panel.arrays import BoolArray, FloatArray, IntArray, evenly_spread
from seqcast.panel.panel import Panel


@dataclass(frozen=True, eq=False)
class Origins:
    """The origins of W windows, sorted by series, then by time."""

    series: IntArray
    """(W,) index of each window's series."""
    positions: IntArray
    """(W,) rows of the series before the forecast. A forecast may read these rows and no later one."""

    def __len__(self) -> int:
        return len(self.series)

    def __getitem__(self, chosen: slice | IntArray | BoolArray) -> Self:
        return replace(self, series=self.series[chosen], positions=self.positions[chosen])

    def spread(self, at_most: int) -> Self:
        """At most `at_most` of them, evenly spread."""
        return self[evenly_spread(len(self), at_most)]

    def earliest(self, lengths: IntArray) -> IntArray:
        """(series,) first origin of each series, or its length if it has none: the rows a scale may be learned from."""
        earliest = lengths.copy()
        np.minimum.at(earliest, self.series, self.positions)
        return earliest

    def of_series(self, first: int, last: int) -> Self:
        """Those of the series between a first and a last one (exclusive), numbered from that first one."""
        start, end = np.searchsorted(self.series, [first, last])
        return replace(self, series=self.series[start:end] - first, positions=self.positions[start:end])

    def batches(self, size: int) -> Iterator[slice]:
        """At most `size` windows at once, none of them across a multiple of `size` series.

        So the windows that are computed together, which decides the last bit of a number, are the same for those series
        alone.
        """
        ends = np.searchsorted(self.series, np.arange(size, int(self.series.max(initial=0)) + size, size))
        start = 0
        for end in np.unique(np.append(ends, len(self))).tolist():
            for first in range(start, end, size):
                yield slice(first, min(first + size, end))
            start = end

    def newest_values(self, panel: Panel) -> FloatArray:
        """(W,) the last observed value before each origin; NaN if there is none."""
        rows, first_row = self.rows(panel)
        target = panel.target[rows]
        observed_rows = np.where(np.isnan(target), -1, np.arange(len(target)))
        newest_row = np.concatenate([[-1], np.maximum.accumulate(observed_rows)])
        found = newest_row[first_row + np.minimum(self.positions, panel.lengths[self.series])]
        own = found >= first_row  # an earlier row belongs to the series before
        return np.where(own, target[found], np.nan)

    def rows(self, panel: Panel) -> tuple[slice, IntArray]:
        """The rows of the panel from the first of their series to the last, and where among them each window's begin.

        A batch has few of the series of a panel, so a sum over these rows costs little.
        """
        if not len(self):
            return slice(0, 0), np.empty(0, np.int64)
        first, end = panel.offsets[self.series.min()], panel.offsets[self.series.max() + 1]
        return slice(int(first), int(end)), panel.offsets[self.series] - first

    def actuals(self, panel: Panel, horizon: int) -> FloatArray:
        """(W, horizon) target values from each origin on, NaN where not observed."""
        values: FloatArray = panel.target[
            panel.offsets[self.series, None] + self.positions[:, None] + np.arange(horizon)
        ]
        return values


def observed_ends(panel: Panel) -> IntArray:
    """(series,) position after the last observed target of each series; 0 for a series without any."""
    rows = np.where(np.isfinite(panel.target), np.arange(len(panel.target)) + 1, 0)
    last = np.maximum.reduceat(rows, panel.offsets[:-1])
    return np.maximum(last - panel.offsets[:-1], 0)


def latest_origins(panel: Panel) -> Origins:
    """The origin right after the last observation of each series that has one.

    Raises:
        DataError: No series has an observed value.
    """
    ends = observed_ends(panel)
    series = np.flatnonzero(ends > 0)
    if not len(series):
        raise no_values()
    return Origins(series, ends[series])


def no_values() -> DataError:
    """The error for a table none of whose series has an observed value."""
    return DataError("no series has an observed value to forecast from.")


def rolling_origins(first: IntArray, last: IntArray, stride: int, at_most: int | None = None) -> Origins:
    """Origins `last`, `last` - stride, ... not before `first`, per series; the newest `at_most` of them when given."""
    counts = np.where(last >= first, (last - first) // stride + 1, 0)
    if at_most is not None:
        counts = np.minimum(counts, at_most)
    series = np.repeat(np.arange(len(counts)), counts)
    back = np.repeat(np.cumsum(counts), counts) - np.arange(len(series)) - 1
    return Origins(series, last[series] - back * stride)


def spread_origins(first: IntArray, last: IntArray, stride: int, at_most: int) -> Origins:
    """`rolling_origins(first, last, stride).spread(at_most)`, without listing all of them."""
    counts = np.where(last >= first, (last - first) // stride + 1, 0)
    ends = np.cumsum(counts)
    chosen = evenly_spread(int(ends[-1]), at_most) if ends[-1] else np.empty(0, np.int64)
    series = np.searchsorted(ends, chosen, side="right")
    return Origins(series, last[series] - (ends[series] - 1 - chosen) * stride)


def known_range(panel: Panel, horizon: int, context: int) -> tuple[IntArray, IntArray]:
    """(series,) first and last origin of each series whose whole horizon has been observed.

    Origins with less than a whole context before them are left out where the series is long enough.
    """
    last = observed_ends(panel) - horizon
    return np.minimum(context, np.maximum(last, 1)), last


def known_origins(panel: Panel, horizon: int, context: int, at_most: int) -> Origins:
    """The newest `at_most` origins of each series in its `known_range`, one horizon apart.

    Raises:
        DataError: No series has one.
    """
    first, last = known_range(panel, horizon, context)
    origins = rolling_origins(first, last, horizon, at_most)
    if not len(origins):
        raise DataError(f"no series has {horizon} observed steps behind an origin.", hint="Give a longer table.")
    return origins
