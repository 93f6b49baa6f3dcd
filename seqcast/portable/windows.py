"""Windows of a panel as the inputs of an exported graph: `tensors.windows` without torch, and with raw values.

The index arithmetic is that of `tensors.windows.PanelTensors`, in NumPy.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seqcast.config import DataConfig
from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.panel.panel import Panel
from seqcast.results.origins import Origins
from seqcast.tensors.calendar_grid import calendar_grid
from seqcast.tensors.scaling import PanelScalers, encode, require_fitted_kinds
from seqcast.tensors.series_scale import SeriesScales, series_scales

Inputs = dict[str, NDArray[Any]]
"""Inputs of the graph by name, each with the windows along its first axis."""


@dataclass(frozen=True, eq=False)
class PanelArrays:
    """A panel in the units of the data; series i owns rows `offsets[i]:offsets[i + 1]`."""

    offsets: IntArray
    target: FloatArray
    """(rows,) 0 where not observed."""
    observed: BoolArray
    past: FloatArray
    """(rows, past numeric) NaN where missing, as the other numbers."""
    past_codes: IntArray
    known: FloatArray
    known_codes: IntArray
    static: FloatArray
    static_codes: IntArray
    calendar: NDArray[np.float32]
    """(grid rows, calendar + holidays), as in `PanelTensors`."""
    calendar_offsets: IntArray
    clock: IntArray | None
    """(grid rows,) steps by which the clock was put forward; None if it never was."""
    scales: SeriesScales

    def writable(self) -> Self:
        """A copy to which forecasts may be appended."""
        return replace(
            self,
            target=self.target.copy(),
            observed=self.observed.copy(),
            past=self.past.copy(),
            past_codes=self.past_codes.copy(),
        )

    def append(self, origins: Origins, point: FloatArray) -> None:
        """Write a point forecast (windows, horizon) after the history as if it was observed, in place."""
        steps = origins.positions[:, None] + np.arange(point.shape[1])
        rows = self.offsets[origins.series][:, None] + steps
        self.target[rows], self.observed[rows] = point, True
        self.past[rows], self.past_codes[rows] = np.nan, 0

    def gather(self, origins: Origins, context: int, horizon: int, steps: IntArray | None = None) -> Inputs:
        """The windows of the origins; arguments and the way with clocks as in `PanelTensors.gather`."""
        series, first = origins.series, origins.positions[:, None]
        positions = first + np.arange(-context, horizon)  # (windows, context + horizon)
        inside = positions >= 0
        if self.clock is not None:
            positions, is_shown = self._on_clock(series, first, positions, steps)
            inside &= (positions >= 0) & is_shown
        positions = np.maximum(positions, 0)
        rows = self.offsets[series][:, None] + positions
        past_rows = rows[:, :context]
        return {
            "target": self.target[past_rows],
            "observed": self.observed[past_rows] & inside[:, :context],
            "mean": self.scales.mean[series],
            "scale": self.scales.scale[series],
            "scale_known": self.scales.is_known[series],
            "past": self.past[past_rows],
            "past_codes": self.past_codes[past_rows],
            "known": self.known[rows],
            "known_codes": self.known_codes[rows],
            "calendar": self.calendar[self.calendar_offsets[series][:, None] + positions],
            "static": self.static[series],
            "static_codes": self.static_codes[series],
        }

    def clock_of(self, series: IntArray, positions: IntArray) -> IntArray | None:
        """Steps by which the clock was put forward until `positions` (B, P) of `series` (B,); None if it never was."""
        if self.clock is None:
            return None
        found: IntArray = self.clock[self.calendar_offsets[series][:, None] + np.maximum(positions, 0)]
        return found

    def _on_clock(
        self, series: IntArray, first: IntArray, positions: IntArray, steps: IntArray | None
    ) -> tuple[IntArray, BoolArray]:
        """Positions, in the context by the clock of a forecast step, and where the clock shows them."""
        own = self.clock_of(series, positions)
        reference = self.clock_of(series, first if steps is None else first + steps[:, None])
        assert own is not None
        assert reference is not None
        in_context = positions < first
        moved = np.where(in_context, positions + reference - own, positions)
        known = np.minimum(moved, first - 1)
        is_shown = ~in_context | ((known == moved) & (self.clock_of(series, known) == own))
        return np.where(in_context, known, positions), is_shown


def panel_arrays(
    panel: Panel, scalers: PanelScalers, series_map: IntArray, ends: IntArray, data: DataConfig
) -> PanelArrays:
    """The arrays of a panel; arguments and exceptions as `tensors.windows.panel_to_tensors`."""
    require_fitted_kinds(scalers, panel)
    calendar, calendar_offsets, clock = calendar_grid(panel, data)
    observed = np.isfinite(panel.target)
    return PanelArrays(
        offsets=panel.offsets,
        target=np.where(observed, panel.target, 0.0),
        observed=observed,
        past=panel.past.numeric,
        past_codes=encode(scalers.past, panel.past),
        known=panel.known.numeric,
        known_codes=encode(scalers.known, panel.known),
        static=panel.static.numeric,
        static_codes=encode(scalers.static, panel.static),
        calendar=calendar.astype(np.float32),
        calendar_offsets=calendar_offsets,
        clock=clock if clock.any() else None,
        scales=series_scales(scalers, panel, series_map, ends),
    )
