"""Windows by index arithmetic: the scaled panel lies once in memory, a batch is a gather from it.

A window is two integers: a series and an origin, the position of its first forecast step. Nothing is ever
materialised per window, so memory grows with the data and not with data x context.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

from seqcast.config import DataConfig
from seqcast.panel.arrays import BoolArray, IntArray, evenly_spread
from seqcast.panel.panel import Panel
from seqcast.tensors.calendar_grid import calendar_grid
from seqcast.tensors.scaling import (
    PanelScalers,
    encode,
    require_fitted_kinds,
    scale_target,
    transform_numeric,
)
from seqcast.tensors.series_scale import series_scales


@dataclass(frozen=True)
class WindowBatch:
    """B windows with S context steps and H forecast steps; target values are in series-scaled units, in float64."""

    context_target: Tensor
    """(B, S) 0 where not observed."""
    context_observed: Tensor
    """(B, S) True where the target was observed."""
    past_features: Tensor
    """(B, S, past)"""
    past_codes: Tensor
    """(B, S, past categorical)"""
    known_features: Tensor
    """(B, S + H, known + calendar + holidays)"""
    known_codes: Tensor
    """(B, S + H, known categorical)"""
    static_features: Tensor
    """(B, static)"""
    static_codes: Tensor
    """(B, static categorical)"""
    future_target: Tensor
    """(B, H) 0 where not observed."""
    future_observed: Tensor
    """(B, H)"""
    scale_known: Tensor
    """(B,) False where a series has so few rows that its scale rests on that of the panel."""
    least: Tensor
    """(B, 1) the smallest value that a forecast may have; -inf where there is none."""

    def take(self, rows: IntArray) -> Self:
        """The windows with these numbers."""
        chosen = torch.from_numpy(rows).to(self.least.device)
        return type(self)(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})


@dataclass(frozen=True)
class PanelTensors:
    """A scaled panel as flat tensors on one device; series i owns rows `offsets[i]:offsets[i + 1]`.

    Numbers of series and positions are asked for on the device of the `offsets`.
    """

    offsets: Tensor
    target: Tensor
    observed: Tensor
    past_features: Tensor
    past_codes: Tensor
    known_features: Tensor
    known_codes: Tensor
    calendar: Tensor
    """(grid rows, calendar + holidays): one row per distinct time, shared by all series on the same grid."""
    calendar_offsets: Tensor
    """(series,) grid row of each series' first row."""
    clock: Tensor | None
    """(grid rows,) steps by which the clock was put forward since the first row of its grid; None if it never was."""
    static_features: Tensor
    static_codes: Tensor
    mean: np.ndarray
    """(series,) float64; value = scaled * scale + mean."""
    scale: np.ndarray
    scale_known: Tensor
    """(series,) as in `SeriesScales`."""
    least: Tensor
    """(series,) scaled zero where no value is negative; -inf where values may be."""
    has_moved: np.ndarray
    """(series,) as in `SeriesScales`."""

    @property
    def num_bytes(self) -> int:
        """Memory of all tensors."""
        return sum(value.nbytes for value in self._tensors().values())

    def to(self, device: torch.device) -> Self:
        """The same panel on a device."""
        exact = torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        moved = {
            name: value.to(device, exact) if value.dtype == torch.float64 else value.to(device)
            for name, value in self._tensors().items()
        }
        return type(self)(**{each.name: getattr(self, each.name) for each in fields(self)} | moved)

    def index(self, numbers: IntArray | BoolArray) -> Tensor:
        """Numbers of series or positions, where they are asked for."""
        return torch.from_numpy(numbers).to(self.offsets.device)

    def _tensors(self) -> dict[str, Tensor]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def gather(
        self, series: Tensor, origins: Tensor, context: int, horizon: int, step: Tensor | None = None
    ) -> WindowBatch:
        """The windows (series[b], origins[b]), b < B.

        Steps before the first row of a series are not observed. `origins + horizon` must not pass a series' last row.
        Where clocks changed within a window, its context is that of the clock of the forecast step `step` (B,),
        by default the first one: a day before is the same time of day. An hour that the clock skipped, or that is
        not yet known, is not observed; of a doubled hour one is left out.
        """
        steps = torch.arange(-context, horizon, device=origins.device)
        positions = origins[:, None] + steps  # (batch, context + horizon)
        inside = positions >= 0
        if self.clock is not None:
            positions, is_shown = self._on_clock(series, origins, positions, step)
            inside &= (positions >= 0) & is_shown
        positions = positions.clamp(min=0)
        rows = self.offsets[series][:, None] + positions
        observed = self.observed[rows] & inside
        target = self.target[rows] * inside
        calendar = self.calendar[self.calendar_offsets[series][:, None] + positions]
        past_rows = rows[:, :context]
        least = self.least[series][:, None]
        falls_below = (target[:, :context] < least).any(dim=1, keepdim=True)
        return WindowBatch(
            context_target=target[:, :context],
            context_observed=observed[:, :context],
            past_features=self.past_features[past_rows],
            past_codes=self.past_codes[past_rows],
            known_features=torch.cat([self.known_features[rows], calendar], dim=-1),
            known_codes=self.known_codes[rows],
            static_features=self.static_features[series],
            static_codes=self.static_codes[series],
            future_target=target[:, context:],
            future_observed=observed[:, context:],
            scale_known=self.scale_known[series],
            least=least.masked_fill(falls_below, -torch.inf),
        )

    def values_at(self, series: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Targets at `positions` (B, P) of `series` (B,), and where they were observed; none before the first row."""
        rows = self.offsets[series][:, None] + positions.clamp(min=0)
        return self.target[rows], self.observed[rows] & (positions >= 0)

    def clock_of(self, series: Tensor, positions: Tensor) -> Tensor | None:
        """Steps by which the clock was put forward until `positions` (B, P) of `series` (B,); None if it never was."""
        if self.clock is None:
            return None
        return self.clock[self.calendar_offsets[series][:, None] + positions.clamp(min=0)]

    def _on_clock(
        self, series: Tensor, origins: Tensor, positions: Tensor, step: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Positions (B, S + H), in the context by the clock of a forecast step, and where the clock shows them."""
        own = self.clock_of(series, positions)
        chosen = origins if step is None else origins + step
        reference = self.clock_of(series, chosen[:, None])
        assert own is not None
        assert reference is not None
        in_context = positions < origins[:, None]
        moved = torch.where(in_context, positions + reference - own, positions)
        known = moved.minimum(origins[:, None] - 1)
        shown = self.clock_of(series, known)
        is_shown = ~in_context | ((known == moved) & (shown == own))
        return torch.where(in_context, known, positions), is_shown


@dataclass(frozen=True)
class WindowRange:
    """Every origin from `first[i]` to `last[i]` (inclusive) of every series i, numbered from 0 without being listed."""

    first: IntArray
    last: IntArray

    @property
    def counts(self) -> IntArray:
        """(series,) number of windows of each series."""
        counts: IntArray = np.maximum(self.last - self.first + 1, 0)
        return counts

    def __len__(self) -> int:
        return int(self.counts.sum())

    def locate(self, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """Series and origin of each numbered window."""
        ends = np.cumsum(self.counts)
        series = np.searchsorted(ends, numbers, side="right")
        return series, self.first[series] + numbers - (ends[series] - self.counts[series])

    def draw(self, random: np.random.Generator, size: int) -> tuple[IntArray, IntArray]:
        """`size` random windows, with replacement; a series is drawn by the square root of its number of windows.

        So short series are heard beside long ones, and windows of a long one, which overlap more, count less each.
        """
        share = np.sqrt(self.counts.astype(np.float64))
        series = random.choice(len(share), size, p=share / share.sum())
        return series, self.first[series] + random.integers(0, self.counts[series])

    def spread(self, at_most: int) -> tuple[IntArray, IntArray]:
        """At most `at_most` windows, evenly spread over all of them, in order."""
        return self.locate(evenly_spread(len(self), at_most))


def panel_to_tensors(
    panel: Panel,
    scalers: PanelScalers,
    series_map: IntArray,
    ends: IntArray,
    data: DataConfig,
) -> PanelTensors:
    """Scale a panel in float64, and make tensors of it on the CPU; all but the target are float32.

    Args:
        panel: The panel, already extended by the steps to forecast.
        scalers: Fitted on the training part.
        series_map: (series,) index of each series at training, -1 when unseen.
        ends: (series,) rows known at forecast time; no other row decides the scale of a series.
        data: Settings; all that is automatic has been settled.

    Raises:
        DataError: A covariate is a category and was a number in training, or the other way round.
    """
    require_fitted_kinds(scalers, panel)
    scales = series_scales(scalers, panel, series_map, ends)
    observed = np.isfinite(panel.target)
    scaled = np.nan_to_num(scale_target(panel, scales.mean, scales.scale), copy=False, nan=0.0)
    least = (0.0 - scales.mean) / scales.scale if data.non_negative else np.full(panel.num_series, -np.inf)
    calendar, calendar_offsets, clock = calendar_grid(panel, data)

    def number(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))

    def code(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64))

    return PanelTensors(
        offsets=code(panel.offsets),
        target=torch.from_numpy(scaled),
        observed=torch.from_numpy(observed),
        past_features=number(transform_numeric(scalers.past, panel.past)),
        past_codes=code(encode(scalers.past, panel.past)),
        known_features=number(transform_numeric(scalers.known, panel.known)),
        known_codes=code(encode(scalers.known, panel.known)),
        calendar=number(calendar),
        calendar_offsets=code(calendar_offsets),
        clock=code(clock) if clock.any() else None,
        static_features=number(transform_numeric(scalers.static, panel.static)),
        static_codes=code(encode(scalers.static, panel.static)),
        mean=scales.mean,
        scale=scales.scale,
        scale_known=torch.from_numpy(scales.is_known),
        least=torch.from_numpy(least),
        has_moved=scales.has_moved,
    )
