"""Calendar and holiday features of a panel, once for each time that several series share."""

import numpy as np

from seqcast.config import DataConfig
from seqcast.panel.arrays import IntArray
from seqcast.panel.calendar import calendar_features
from seqcast.panel.holidays import holiday_features
from seqcast.panel.panel import Panel


def calendar_grid(panel: Panel, data: DataConfig) -> tuple[np.ndarray, IntArray, IntArray]:
    """Calendar and holiday features of every distinct time once; series whose grids differ in phase get their own.

    Returns:
        The features, the grid row of each series' first row, and the steps by which clocks were put forward.
    """
    grids: list[np.ndarray] = []
    clocks: list[IntArray] = []
    offsets = np.zeros(panel.num_series, dtype=np.int64)
    used, left = 0, np.argsort(panel.starts, kind="stable")
    while len(left):
        start = panel.starts[left[0]]
        _, together = panel.frequency.locate(start, panel.starts[left])
        members, left = left[together], left[~together]
        ahead = panel.frequency.steps_between(np.full(len(members), start), panel.starts[members])
        length = int((ahead + panel.lengths[members]).max())
        offsets[members] = used + ahead
        times = panel.frequency.advance(np.full(length, start), np.arange(length))
        wall = panel.frequency.wall(times)
        holidays = holiday_features(data.holidays, panel.frequency, wall)
        calendar = calendar_features(data.calendar or (), wall)
        grids.append(np.concatenate([calendar, holidays], axis=1) if data.holidays else calendar)
        forward = panel.frequency.clock_steps(times, times[:1])
        clocks.append(np.zeros(length, np.int64) if forward is None else forward)
        used += length
    return np.concatenate(grids), offsets, np.concatenate(clocks)
