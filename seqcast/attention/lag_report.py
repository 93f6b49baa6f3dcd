"""The lags that forecasts attended to: their shares of the attention, overall and by group of forecast steps.

Maps arrive in pieces and only sums are kept, so memory does not grow with the number of windows. A context position s
(0 = oldest of S) has two lags for forecast step t (1 to H). Relative to the `origin` it is S - s (1 = newest context
step). Relative to the `target`, which is the forecast step itself, it is S - s + t - 1.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seqcast.errors import UsageError, option
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.calendar import month_numbers, weekdays
from seqcast.panel.frequency import TimeArray
from seqcast.panel.wording import MONTHS, WEEKDAYS
from seqcast.results.forecast import AttentionMap, first_windows
from seqcast.results.lag_profile import LagProfile, target_profile

Relative = Literal["target", "origin"]
GroupBy = Literal["horizon", "hour", "weekday", "month", "series", "error"]
GROUPINGS: tuple[str, ...] = get_args(GroupBy)
"""Names that are groupings; any other name is that of a covariate."""
_OWN_GROUPINGS = GROUPINGS[:-1]
"""Groupings that need nothing but the attention maps."""

_MAX_HORIZON_GROUPS = 4
LAGS_OF_A_GROUP = 3
"""Strongest lags that are shown of each group."""


@dataclass(frozen=True, eq=False)
class WindowGroups:
    """Groups of windows or of their forecast steps that are known before, such as those by error."""

    labels: tuple[str, ...]
    codes: IntArray
    """(W,) index of the label of each window, in the order of the windows; or (W, H), of each forecast step."""


@dataclass(frozen=True, eq=False)
class LagReport:
    """The attention of a set of windows by lag."""

    relative: Relative
    group_by: str
    """A `GroupBy`, or the name of a covariate."""
    horizon: int
    context: int
    num_windows: int
    num_series: int
    share_not_observed: float
    """Part of the weight on context steps without an observation."""
    overall: LagProfile
    """Profile of all forecast steps."""
    groups: tuple[LagProfile, ...]
    step_weights: FloatArray
    """(H, S) mean weight of each step on each context position, oldest position first."""

    def as_dict(self, top: int | None = None) -> dict[str, object]:
        """The numbers of the printed report under the same names; `top` lags of each profile, or all.

        Groups have at least as many lags as are printed of them.
        """
        times = self.overall.attended_times
        plain = ("relative", "group_by", "horizon", "context", "num_windows", "num_series", "share_not_observed")
        return {
            **{name: getattr(self, name) for name in plain},
            "cutoff": None if times is None else self.overall.frequency.iso(times[0]),
            **self.overall.as_dict(top),
            "groups": [group.as_dict(None if top is None else max(top, LAGS_OF_A_GROUP)) for group in self.groups],
        }

    def heatmap_dict(self) -> dict[str, object]:
        """The numbers of the heatmap: a list of weights per step, from lag_origin 1 on."""
        return {"rows": "step", "columns": "lag_origin", "weights": np.round(self.step_weights[:, ::-1], 6).tolist()}

    def by_target(self) -> LagProfile:
        """The profile of all steps with lags counted back from the forecast step, even if the report shows others."""
        if self.relative == "target":
            return self.overall
        return target_profile(self.step_weights, self.overall.frequency, self.overall.effective_lags)


def lag_report(
    maps: Iterable[AttentionMap],
    relative: Relative = "target",
    group_by: str = "horizon",
    window_groups: WindowGroups | None = None,
) -> LagReport:
    """The report of a stream of at least one attention map, all of one frequency, horizon and context.

    The windows of a series are next to each other. `window_groups` are given for grouping by error or by a covariate.

    Raises:
        UsageError: Grouping by hour, weekday or month although the time column counts steps.
    """
    pieces = iter(maps)
    first = next(pieces, None)
    assert first is not None, "a report needs an attention map"
    sums = LagSums(first, relative, group_by, window_groups)
    for piece in chain([first], pieces):
        sums.add(piece)
    return sums.report()


def horizon_groups(horizon: int) -> list[tuple[str, range]]:
    """At most four groups of neighbouring forecast steps, each with its label and its steps from 0 on."""
    groups = []
    for part in np.array_split(np.arange(horizon), min(horizon, _MAX_HORIZON_GROUPS)):
        steps = range(int(part[0]), int(part[-1]) + 1)
        label = f"step {steps.stop}" if len(steps) == 1 else f"steps {steps.start + 1}-{steps.stop}"
        groups.append((label, steps))
    return groups


class LagSums:
    """Running sums over attention maps."""

    def __init__(
        self, like: AttentionMap, relative: Relative, group_by: str, window_groups: WindowGroups | None
    ) -> None:
        assert (group_by not in _OWN_GROUPINGS) == (window_groups is not None)
        if group_by in ("hour", "weekday", "month") and like.cutoffs.dtype.kind != "M":
            raise UsageError(
                f"Lags cannot be grouped by {group_by}: the time column counts steps.",
                hint=f"Use {option('by', 'horizon')}.",
            )
        self._relative, self._group_by, self._window_groups = relative, group_by, window_groups
        self._frequency, self._horizon, self._context = like.frequency, like.horizon, like.context
        self._num_lags = like.context + (like.horizon - 1 if relative == "target" else 0)
        self._only_cutoff = like.cutoffs[:1]
        self._series: set[str] = set()
        self._num_windows = 0
        self._not_observed = 0.0
        self._step_sums = np.zeros((self._horizon, self._context))
        self._share_squares = np.zeros(self._num_lags)
        self._origins = _OriginSums(self._num_lags)
        self._effective = np.zeros(self._horizon)
        self._groups: dict[int | str, _GroupSums] = {}

    def add(self, attention: AttentionMap) -> None:
        assert attention.weights.shape[1:] == (self._horizon, self._context)
        num_windows = len(attention.series_ids)
        keys, codes = self._group_codes(attention)
        group_shares = np.zeros((len(keys), self._num_lags))
        by_age = np.zeros((num_windows, self._num_lags))  # shares of each window, oldest lag first
        effective = np.zeros((num_windows, self._horizon))
        missing = ~attention.observed
        any_missing = bool(missing.any())
        for step in range(self._horizon):
            weights, lags = attention.weights[:, step], self._lags_of(step)  # (windows, position), newest lag last
            by_age[:, self._num_lags - lags.stop : self._num_lags - lags.start] += weights
            if keys:
                members = np.arange(len(keys))[:, None] == codes[:, step]
                group_shares[:, lags] += (members @ weights.astype(np.float64))[:, ::-1]
            effective[:, step] = _effective_number(weights)
            if any_missing:
                self._not_observed += float(weights[missing].sum(dtype=np.float64))
        window_shares = by_age[:, ::-1] / self._horizon
        self._step_sums += attention.weights.sum(axis=0, dtype=np.float64)[:, ::-1]
        self._share_squares += np.square(window_shares).sum(axis=0)
        self._origins.add(attention.series_ids, window_shares)
        self._effective += effective.sum(axis=0)
        self._num_windows += num_windows
        self._series.update(attention.series_ids)
        for index, key in enumerate(keys):
            members = codes == index
            if not members.any():
                continue
            sums = _GroupSums(group_shares[index], members.sum(axis=0), float(effective[members].sum()))
            self._groups[key] = self._groups[key].plus(sums) if key in self._groups else sums

    def join(self, other: "LagSums") -> None:
        """Add the sums over windows of other series."""
        self._num_windows += other._num_windows
        self._series |= other._series
        self._not_observed += other._not_observed
        self._step_sums += other._step_sums
        self._share_squares += other._share_squares
        self._origins.join(other._origins)
        self._effective += other._effective
        for key, sums in other._groups.items():
            self._groups[key] = self._groups[key].plus(sums) if key in self._groups else sums

    def report(self) -> LagReport:
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
        """The places of the context steps, newest first, among the lags of a forecast step (0 = first)."""
        start = step if self._relative == "target" else 0
        return slice(start, start + self._context)

    def _group_codes(self, attention: AttentionMap) -> tuple[list[int | str], IntArray]:
        """Keys of the groups, except of those by horizon, and (W, H) index of the group of each forecast step."""
        shape = (len(attention.series_ids), self._horizon)
        if self._group_by == "horizon":
            return [], np.zeros(shape, np.int64)
        if self._window_groups is not None:
            codes = self._window_groups.codes[self._num_windows : self._num_windows + shape[0]]
            by_step = codes if codes.ndim > 1 else np.broadcast_to(codes[:, None], shape)
            return list(range(len(self._window_groups.labels))), by_step
        if self._group_by == "series":
            index = {key: code for code, key in enumerate(dict.fromkeys(attention.series_ids))}
            codes = np.array([index[series] for series in attention.series_ids])
            return list(index), np.broadcast_to(codes[:, None], shape)
        times = self._frequency.advance(attention.cutoffs[:, None], np.arange(1, self._horizon + 1)[None, :])
        times = self._frequency.wall(times)
        found, codes = np.unique(_calendar_part(times, self._group_by), return_inverse=True)
        return found.tolist(), codes.reshape(shape)

    def _overall(self) -> LagProfile:
        profile = self._profile("all steps", self._sums_of_steps(range(self._horizon)))
        variance = np.maximum(self._share_squares / self._num_windows - np.square(profile.share), 0)
        spread = np.sqrt(variance) if self._num_windows > 1 else None
        return replace(profile, spread=spread, origin_spread=self._origins.spread(self._share_squares))

    def _group_profiles(self) -> Iterator[LagProfile]:
        if self._group_by == "horizon":
            for label, steps in horizon_groups(self._horizon):
                yield self._profile(label, self._sums_of_steps(steps))
        else:
            for key in self._groups if self._group_by == "series" else sorted(self._groups):
                yield self._profile(self._group_label(key), self._groups[key])

    def _group_label(self, key: int | str) -> str:
        if isinstance(key, str):
            return key
        if self._window_groups is not None:
            return self._window_groups.labels[key]
        return {"hour": f"{key:02d}:00", "weekday": WEEKDAYS[key % 7], "month": MONTHS[key % 12]}[self._group_by]

    def _sums_of_steps(self, steps: range) -> "_GroupSums":
        weights, counts = np.zeros(self._num_lags), np.zeros(self._horizon, np.int64)
        for step in steps:
            weights[self._lags_of(step)] += self._step_sums[step]
            counts[step] = self._num_windows
        return _GroupSums(weights, counts, float(self._effective[steps.start : steps.stop].sum()))

    def _profile(self, label: str, sums: "_GroupSums") -> LagProfile:
        uniform = np.zeros(self._num_lags)
        for step, count in enumerate(sums.counts):
            uniform[self._lags_of(step)] += count / self._context
        total = sums.counts.sum()
        first_step = int(np.argmax(sums.counts > 0))
        return LagProfile(
            label=label,
            frequency=self._frequency,
            share=sums.weights / total,
            uniform=uniform / total,
            effective_lags=sums.effective / float(total),
            attended_times=self._attended_times(first_step) if self._num_windows == 1 else None,
        )

    def _attended_times(self, first_step: int) -> TimeArray:
        """(L,) time of each lag in the only window, before the first step from `first_step` on that reaches the lag."""
        lags = np.arange(1, self._num_lags + 1)
        if self._relative == "origin":
            return self._frequency.lagged(self._only_cutoff, lags)
        reaching = np.maximum(first_step + 1, lags - self._context + 1)
        return self._frequency.lagged(self._only_cutoff, lags - reaching + 1)


class _OriginSums:
    """Sums for the spread over the origins of a series.

    Only the sums of the newest series are kept apart, which may continue in the next map. The sum of squares within
    the other series is that of their shares minus that of their means.
    """

    def __init__(self, num_lags: int) -> None:
        self._series: str | None = None
        self._sum, self._count = np.zeros(num_lags), 0
        self._squared_means, self._num_windows, self._num_series = np.zeros(num_lags), 0, 0

    def add(self, series_ids: tuple[str, ...], shares: FloatArray) -> None:
        """Add the shares (W, L) of windows, those of one series next to each other."""
        starts = first_windows(series_ids)
        for start, end in zip(starts, [*starts[1:], len(series_ids)], strict=True):
            if series_ids[start] != self._series:
                self._squared_means, self._sum, self._count = self._closed(), np.zeros_like(self._sum), 0
                self._series, self._num_series = series_ids[start], self._num_series + 1
            self._sum = self._sum + shares[start:end].sum(axis=0)
            self._count += int(end - start)
        self._num_windows += len(series_ids)

    def join(self, other: "_OriginSums") -> None:
        """Add the sums over windows of other series."""
        self._squared_means = self._closed() + other._squared_means
        self._series, self._sum, self._count = other._series, other._sum, other._count
        self._num_windows += other._num_windows
        self._num_series += other._num_series

    def spread(self, squares: FloatArray) -> FloatArray | None:
        """(L,) standard deviation within series from the sum of all squared shares; None if no series has several."""
        freedom = self._num_windows - self._num_series
        if freedom <= 0:
            return None
        return np.sqrt(np.maximum(squares - self._closed(), 0) / freedom)

    def _closed(self) -> FloatArray:
        return self._squared_means + np.square(self._sum) / max(1, self._count)


@dataclass(frozen=True, eq=False)
class _GroupSums:
    """Sums over the forecast steps of one group."""

    weights: FloatArray
    """(L,)"""
    counts: IntArray
    """(H,) number of windows in which each step belongs to the group."""
    effective: float
    """Sum of the effective number of lags of each step."""

    def plus(self, other: "_GroupSums") -> "_GroupSums":
        return _GroupSums(self.weights + other.weights, self.counts + other.counts, self.effective + other.effective)


def _effective_number(weights: NDArray[np.float32]) -> FloatArray:
    """(W,) exp(entropy) of weights (W, S)."""
    logs = np.log(np.maximum(weights, np.finfo(np.float32).tiny))  # 0 log 0 is 0
    logs *= weights
    number: FloatArray = np.exp(-logs.sum(axis=1).astype(np.float64))
    return number


def _calendar_part(times: TimeArray, group_by: str) -> IntArray:
    """Hour 0-23, weekday 0 (Monday) - 6 or month 0-11 of each time."""
    if group_by == "hour":
        return times.astype("datetime64[h]").astype(np.int64) % 24
    if group_by == "weekday":
        return weekdays(times)
    return month_numbers(times) % 12
