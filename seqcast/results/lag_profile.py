"""The distribution of attention over lags: single lags, bands of neighbours, and their lift over equal weights."""

from dataclasses import asdict, dataclass

import numpy as np

from seqcast.panel.arrays import BoolArray, FloatArray
from seqcast.panel.frequency import Frequency, TimeArray

BAND_LIFT = 2.0
"""Smallest lift of the lags in a band."""
BAND_SHARE = 0.02
"""Smallest share of a band that is reported."""
UNSTABLE_VARIATION = 0.5
"""A lag is unstable when its standard deviation between origins of a series is more than this part of its share. Then
the share depends more on the moment than on the series."""


@dataclass(frozen=True)
class LagRow:
    """One lag of a profile."""

    lag: int
    duration: str
    """The lag in words, such as "1 day"."""
    share: float
    """Part of all weight, 0 to 1."""
    cumulative_share: float
    """Sum of the shares of this lag and of all lags with a greater share."""
    lift: float
    """Share over the share of this lag under equal weights on all context positions."""
    spread: float | None
    """Standard deviation of the share over windows; None for one window and in groups."""
    origin_spread: float | None
    """Standard deviation of the share over the origins of one series; None if no series has several."""
    unstable: bool
    """Whether `origin_spread` is more than `UNSTABLE_VARIATION` of the share."""
    attended_time: str | None
    """Time of the lag before the first step that reaches it, as ISO text; None for more than one window."""
    moves: float | None = None
    """Part of all weight that lies on this lag in some windows and not in others; None where it was not measured."""
    states: float | None = None
    """Part of this lag in what goes through the recurrent states; None where they carry next to nothing."""

    def as_dict(self) -> dict[str, object]:
        """The fields, with the cumulative share under its printed name too."""
        return asdict(self) | {"cumulative": self.cumulative_share}


@dataclass(frozen=True)
class StateLags:
    """The shortest run of neighbouring lags that has at least half of what goes through the recurrent states."""

    first_lag: int
    last_lag: int
    states: float
    """Their part of it."""
    peak_lag: int
    """The lag with the largest part."""
    peak_states: float


@dataclass(frozen=True)
class LagBand:
    """Neighbouring lags that all have a lift of at least `BAND_LIFT`."""

    first_lag: int
    last_lag: int
    peak_lag: int
    peak_duration: str
    share: float
    lift: float


@dataclass(frozen=True, eq=False)
class LagProfile:
    """The distribution of the weight of a group of forecast steps over L lags, 1 to L."""

    label: str
    frequency: Frequency
    share: FloatArray
    """(L,) summing to 1."""
    uniform: FloatArray
    """(L,) the share under equal weights on all context positions; 0 for a lag that the group cannot reach."""
    effective_lags: float
    """Number of lags that a step attends to: exp(entropy of its weights), mean over windows and steps."""
    spread: FloatArray | None = None
    """(L,) see `LagRow.spread`."""
    attended_times: TimeArray | None = None
    """(L,) see `LagRow.attended_time`."""
    origin_spread: FloatArray | None = None
    """(L,) see `LagRow.origin_spread`."""
    moving: FloatArray | None = None
    """(L,) see `LagRow.moves`."""
    through_states: FloatArray | None = None
    """(L,) see `LagRow.states`."""

    @property
    def lift(self) -> FloatArray:
        """(L,) share over uniform; 0 for a lag that the group cannot reach."""
        return np.divide(self.share, self.uniform, out=np.zeros_like(self.share), where=self.uniform > 0)

    @property
    def unstable(self) -> BoolArray:
        """(L,) see `LagRow.unstable`."""
        if self.origin_spread is None:
            return np.zeros(len(self.share), bool)
        return self.origin_spread > UNSTABLE_VARIATION * self.share

    def rows(self, top: int | None = None) -> tuple[LagRow, ...]:
        """The reachable lags by falling share, at most `top` of them."""
        order = np.argsort(-self.share, kind="stable")
        order = order[self.uniform[order] > 0]
        cumulative = np.cumsum(self.share[order])
        lift = self.lift
        return tuple(
            LagRow(
                lag=int(index) + 1,
                duration=self.frequency.duration(int(index) + 1),
                share=float(self.share[index]),
                cumulative_share=float(cumulative[rank]),
                lift=float(lift[index]),
                spread=None if self.spread is None else float(self.spread[index]),
                origin_spread=None if self.origin_spread is None else float(self.origin_spread[index]),
                unstable=bool(self.unstable[index]),
                attended_time=None if self.attended_times is None else self.frequency.iso(self.attended_times[index]),
                moves=None if self.moving is None else float(self.moving[index]),
                states=None if self.through_states is None else float(self.through_states[index]),
            )
            for rank, index in enumerate(order[:top])
        )

    def state_lags(self) -> StateLags | None:
        """The lags that the recurrent states mostly read; None where the states carry next to nothing."""
        if self.through_states is None:
            return None
        before = np.concatenate([[0.0], np.cumsum(self.through_states)])
        ends = np.searchsorted(before, before[:-1] + before[-1] / 2)  # the end of the run from each lag on
        starts = np.flatnonzero(ends < len(before))
        start = starts[np.argmin(ends[starts] - starts)]
        peak = int(np.argmax(self.through_states))
        part = float(before[ends[start]] - before[start])
        return StateLags(int(start) + 1, int(ends[start]), part, peak + 1, float(self.through_states[peak]))

    def bands(self) -> tuple[LagBand, ...]:
        """Runs of lags with a lift of `BAND_LIFT` or more that hold `BAND_SHARE` of the weight, by falling share."""
        inside = np.concatenate([[False], self.lift >= BAND_LIFT, [False]])
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        found = (self._band(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True))
        return tuple(sorted((band for band in found if band.share >= BAND_SHARE), key=lambda band: -band.share))

    def _band(self, start: int, end: int) -> LagBand:
        peak = start + int(np.argmax(self.share[start:end])) + 1
        share, uniform = float(self.share[start:end].sum()), float(self.uniform[start:end].sum())
        return LagBand(start + 1, end, peak, self.frequency.duration(peak), share, share / uniform)

    def as_dict(self, top: int | None = None) -> dict[str, object]:
        """The numbers of the printed report under the same names."""
        return {
            "label": self.label,
            "effective_lags": self.effective_lags,
            "lags": [row.as_dict() for row in self.rows(top)],
            "bands": [asdict(band) for band in self.bands()],
        }


def target_profile(weights: FloatArray, frequency: Frequency, effective_lags: float = float("nan")) -> LagProfile:
    """The profile of mean weights (H, S), with lags counted back from the forecast step."""
    share, uniform = by_lag(weights / len(weights)), by_lag(np.full_like(weights, 1 / weights.size))
    return LagProfile("all steps", frequency, share, uniform, effective_lags)


def by_lag(values: FloatArray) -> FloatArray:
    """Sums (..., S + H - 1) of values (..., H, S), oldest context step first, by lag before the forecast step."""
    horizon, context = values.shape[-2:]
    sums = np.zeros((*values.shape[:-2], context + horizon - 1))
    for step in range(horizon):
        sums[..., step : step + context] += values[..., step, ::-1]
    return sums


def total_variation(share: FloatArray, other: FloatArray) -> float:
    """Half the sum of absolute differences of two profiles; the shorter one is zero beyond its end."""
    length = max(len(share), len(other))
    return float(np.abs(padded(share, length) - padded(other, length)).sum() / 2)


def padded(share: FloatArray, length: int) -> FloatArray:
    """(length,) the profile with zeros behind it."""
    return np.concatenate([share, np.zeros(length - len(share))])
