"""From attention maps to what a person asks of them: which lags were attended, how much, and against what expectation.

Maps are taken in pieces and only sums are kept, so the memory does not grow with the number of windows. A context
position s (0 = oldest of S) attended by forecast step t (1 to H) has two lags: `origin`, S - s, counts back from the
first forecast step's eve (1 = last context step); `target`, S - s + t - 1, counts back from the forecast step itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcast.errors import UsageError, option
from seqcast.panel.calendar import month_numbers, weekdays
from seqcast.panel.frequency import TimeArray
from seqcast.panel.panel import FloatArray, IntArray
from seqcast.panel.wording import MONTHS, WEEKDAYS
from seqcast.results.forecast import AttentionMap
from seqcast.results.lag_profile import LagProfile, by_lag

Relative = Literal["target", "origin"]
GroupBy = Literal["horizon", "hour", "weekday", "month", "series", "error"]

_MAX_HORIZON_GROUPS = 4


@dataclass(frozen=True, eq=False)
class WindowGroups:
    """Groups of whole windows that were found before, such as by error."""

    labels: tuple[str, ...]
    codes: IntArray
    """(W,) index of the label of each window, in the order in which the windows come."""


@dataclass(frozen=True, eq=False)
class LagReport:
    """What a set of windows attended to."""

    relative: Relative
    group_by: GroupBy
    horizon: int
    context: int
    num_windows: int
    num_series: int
    share_not_observed: float
    """Part of the weight on context steps without an observation."""
    overall: LagProfile
    groups: tuple[LagProfile, ...]
    step_weights: FloatArray
    """(H, S) mean weight of each step on each context position, oldest position first."""

    def as_dict(self, top: int | None = None) -> dict[str, object]:
        """The numbers of the printed report under the same names; `top` lags of each profile, or all."""
        return {
            "relative": self.relative,
            "group_by": self.group_by,
            "horizon": self.horizon,
            "context": self.context,
            "num_windows": self.num_windows,
            "num_series": self.num_series,
            "share_not_observed": self.share_not_observed,
            **self.overall.as_dict(top),
            "groups": [group.as_dict(top) for group in self.groups],
        }

    def heatmap_dict(self) -> dict[str, object]:
        """The picture of steps and lags as numbers: a list per step, from lag_origin 1 on."""
        return {"rows": "step", "columns": "lag_origin", "weights": np.round(self.step_weights[:, ::-1], 6).tolist()}

    def by_target(self) -> LagProfile:
        """The profile of all steps with lags counted back from the forecast step, whatever the report shows."""
        if self.relative == "target":
            return self.overall
        share = by_lag(self.step_weights / self.horizon)
        uniform = by_lag(np.full_like(self.step_weights, 1 / self.step_weights.size))
        return LagProfile("all steps", self.overall.frequency, share, uniform, self.overall.effective_lags)


def lag_report(
    maps: Iterable[AttentionMap],
    relative: Relative = "target",
    group_by: GroupBy = "horizon",
    window_groups: WindowGroups | None = None,
) -> LagReport:
    """The report of attention maps that come in pieces, at least one window in all.

    `window_groups` are those of all windows, for grouping by error.

    Raises:
        UsageError: Grouping by hour, weekday or month where the time column counts steps.
    """
    pieces = iter(maps)
    first = next(pieces, None)
    assert first is not None, "a report needs an attention map"
    sums = LagSums(first, relative, group_by, window_groups)
    sums.add(first)
    for piece in pieces:
        sums.add(piece)
    return sums.report()


class LagSums:
    """Running sums over attention maps of one frequency, horizon and context; `report` turns them into a LagReport."""

    def __init__(
        self,
        like: AttentionMap,
        relative: Relative = "target",
        group_by: GroupBy = "horizon",
        window_groups: WindowGroups | None = None,
    ) -> None:
        assert (group_by == "error") == (window_groups is not None)
        if group_by in ("hour", "weekday", "month") and like.cutoffs.dtype.kind != "M":
            raise UsageError(
                f"Lags cannot be grouped by {group_by}: the time column counts steps.",
                hint=f"Use {option('by', 'horizon')}.",
            )
        self._relative, self._group_by, self._frequency = relative, group_by, like.frequency
        self._window_groups = window_groups
        self._horizon, self._context = like.horizon, like.context
        self._num_lags = like.context + (like.horizon - 1 if relative == "target" else 0)
        self._series: set[str] = set()
        self._num_windows = 0
        self._not_observed = 0.0
        self._only_cutoff = like.cutoffs[:1]
        self._step_sums = np.zeros((self._horizon, self._context))
        self._share_squares = np.zeros(self._num_lags)
        self._origins = _OriginSums(self._num_lags)
        self._effective = np.zeros(self._horizon)
        self._groups: dict[int | str, _GroupSums] = {}

    def add(self, attention: AttentionMap) -> None:
        """Take in the windows of one map."""
        assert attention.weights.shape[1:] == (self._horizon, self._context)
        num_windows = len(attention.series_ids)
        keys, codes = self._group_codes(attention)
        group_shares = np.zeros((len(keys), self._num_lags))
        window_shares = np.zeros((num_windows, self._num_lags))
        effective = np.zeros((num_windows, self._horizon))
        missing = ~attention.observed[:, ::-1]
        for step in range(self._horizon):
            weights = attention.weights[:, step, ::-1].astype(np.float64)  # (windows, lag from the origin)
            lags = self._lags_of(step)
            window_shares[:, lags] += weights / self._horizon
            group_shares[:, lags] += (np.arange(len(keys))[:, None] == codes[:, step]) @ weights
            effective[:, step] = _effective_number(weights)
            self._step_sums[step] += weights.sum(axis=0)
            self._not_observed += float(weights[missing].sum())
        self._share_squares += np.square(window_shares).sum(axis=0)
        self._origins.add(attention.series_ids, window_shares)
        self._effective += effective.sum(axis=0)
        self._num_windows += num_windows
        self._series.update(attention.series_ids)
        for index, key in enumerate(keys):
            members = codes == index
            sums = _GroupSums(group_shares[index], members.sum(axis=0), float(effective[members].sum()))
            self._groups[key] = self._groups[key].plus(sums) if key in self._groups else sums

    def report(self) -> LagReport:
        """The report of everything added so far, at least one window."""
        return LagReport(
            relative=self._relative,
            group_by=self._group_by,
            horizon=self._horizon,
            context=self._context,
            num_windows=self._num_windows,
            num_series=len(self._series),
            share_not_observed=self._not_observed / (self._num_windows * self._horizon),
            overall=self._overall(),
            groups=tuple(self._group_profiles()),
            step_weights=self._step_sums[:, ::-1] / self._num_windows,
        )

    def _lags_of(self, step: int) -> slice:
        """Where the context, newest first, stands among the lags of the forecast step (0 = first)."""
        start = step if self._relative == "target" else 0
        return slice(start, start + self._context)

    def _group_codes(self, attention: AttentionMap) -> tuple[list[int | str], IntArray]:
        """The groups other than by horizon that occur, and (W, H) which of them each forecast step belongs to."""
        shape = (len(attention.series_ids), self._horizon)
        if self._group_by == "horizon":
            return [], np.zeros(shape, np.int64)
        if self._window_groups is not None:
            codes = self._window_groups.codes[self._num_windows : self._num_windows + shape[0]]
            return list(range(len(self._window_groups.labels))), np.broadcast_to(codes[:, None], shape)
        if self._group_by == "series":
            keys = list(dict.fromkeys(attention.series_ids))
            index = {key: code for code, key in enumerate(keys)}
            codes = np.array([index[series] for series in attention.series_ids])
            return list(keys), np.broadcast_to(codes[:, None], shape)
        steps = np.arange(1, self._horizon + 1)
        times = self._frequency.advance(attention.cutoffs[:, None], steps[None, :])
        found, codes = np.unique(_calendar_part(times, self._group_by), return_inverse=True)
        return found.tolist(), codes.reshape(shape)

    def _overall(self) -> LagProfile:
        counts = np.full(self._horizon, self._num_windows)
        sums = self._sums_of_steps(slice(0, self._horizon))
        several = self._num_windows > 1
        mean = sums.weights / counts.sum()
        variance = np.maximum(self._share_squares / self._num_windows - np.square(mean), 0)
        profile = self._profile("all steps", sums, np.sqrt(variance) if several else None)
        return replace(profile, origin_spread=self._origins.spread(self._share_squares))

    def _group_profiles(self) -> Iterable[LagProfile]:
        if self._group_by == "horizon":
            for steps in np.array_split(np.arange(self._horizon), min(self._horizon, _MAX_HORIZON_GROUPS)):
                first, last = int(steps[0]), int(steps[-1])
                label = f"step {first + 1}" if first == last else f"steps {first + 1}-{last + 1}"
                yield self._profile(label, self._sums_of_steps(slice(first, last + 1)))
        else:
            keys = self._groups if self._group_by == "series" else sorted(self._groups)
            for key in keys:
                yield self._profile(self._group_label(key), self._groups[key])

    def _group_label(self, key: int | str) -> str:
        if isinstance(key, str):
            return key
        if self._window_groups is not None:
            return self._window_groups.labels[key]
        return {"hour": f"{key:02d}:00", "weekday": WEEKDAYS[key % 7], "month": MONTHS[key % 12]}[self._group_by]

    def _sums_of_steps(self, steps: slice) -> _GroupSums:
        weights = np.zeros(self._num_lags)
        counts = np.zeros(self._horizon, np.int64)
        for step in range(steps.start, steps.stop):
            weights[self._lags_of(step)] += self._step_sums[step]
            counts[step] = self._num_windows
        return _GroupSums(weights, counts, float(self._effective[steps].sum()))

    def _profile(self, label: str, sums: _GroupSums, spread: FloatArray | None = None) -> LagProfile:
        uniform = np.zeros(self._num_lags)
        for step, count in enumerate(sums.counts):
            uniform[self._lags_of(step)] += count / self._context
        total = sums.counts.sum()
        return LagProfile(
            label=label,
            frequency=self._frequency,
            share=sums.weights / total,
            uniform=uniform / total,
            effective_lags=sums.effective / float(total),
            spread=spread,
            attended_times=self._attended_times(int(np.argmax(sums.counts > 0))) if self._num_windows == 1 else None,
        )

    def _attended_times(self, first_step: int) -> TimeArray:
        """(L,) time of each lag of the only window, seen from the first step, from `first_step` on, that reaches it."""
        lags = np.arange(1, self._num_lags + 1)
        if self._relative == "origin":
            return self._frequency.advance(self._only_cutoff, 1 - lags)
        reaching = np.maximum(first_step + 1, lags - self._context + 1)
        return self._frequency.advance(self._only_cutoff, reaching - lags)


class _OriginSums:
    """What the spread over the origins of a series needs, of windows that come series by series.

    Only the series that is still coming is held: the sum of squares within all others is that of their shares less that
    of their means.
    """

    def __init__(self, num_lags: int) -> None:
        self._series: str | None = None
        self._sum, self._count = np.zeros(num_lags), 0
        self._squared_means, self._num_windows, self._num_series = np.zeros(num_lags), 0, 0

    def add(self, series_ids: tuple[str, ...], shares: FloatArray) -> None:
        """Take in the shares (W, L) of windows, those of one series next to each other."""
        ids = np.array(series_ids, dtype=object)
        starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            if ids[start] != self._series:
                self._squared_means, self._sum, self._count = self._closed(), np.zeros_like(self._sum), 0
                self._series, self._num_series = ids[start], self._num_series + 1
            self._sum = self._sum + shares[start:end].sum(axis=0)
            self._count += int(end - start)
        self._num_windows += len(ids)

    def spread(self, squares: FloatArray) -> FloatArray | None:
        """(L,) standard deviation within series, given the sum of all squared shares; None without repeated origins."""
        freedom = self._num_windows - self._num_series
        if freedom <= 0:
            return None
        within: FloatArray = np.sqrt(np.maximum(squares - self._closed(), 0) / freedom)
        return within

    def _closed(self) -> FloatArray:
        return self._squared_means + np.square(self._sum) / max(1, self._count)


@dataclass(frozen=True, eq=False)
class _GroupSums:
    """Sums over the forecast steps of one group."""

    weights: FloatArray
    """(L,)"""
    counts: IntArray
    """(H,) windows in which each step belongs to the group."""
    effective: float
    """Of each step's effective number of lags."""

    def plus(self, other: _GroupSums) -> _GroupSums:
        return _GroupSums(self.weights + other.weights, self.counts + other.counts, self.effective + other.effective)


def _effective_number(weights: FloatArray) -> FloatArray:
    """(W,) exp(entropy) of weights (W, S)."""
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    number: FloatArray = np.exp(-(weights * logs).sum(axis=1))
    return number


def _calendar_part(times: TimeArray, group_by: GroupBy) -> NDArray[np.int64]:
    """Hour 0-23, weekday 0 (Monday) - 6 or month 0-11 of each time."""
    if group_by == "hour":
        return times.astype("datetime64[h]").astype(np.int64) % 24
    if group_by == "weekday":
        return weekdays(times)
    return month_numbers(times) % 12
