"""Lags after which the values of a panel repeat, and a summary of the panel.

Repetition shows as a peak in the autocorrelation of changes (first differences), not of levels. A trend or a slow swing
makes levels resemble themselves at every short lag; and a cycle whose length varies, such as the 9 to 14 years of
sunspots, correlates over a broad range of lags although no single lag forecasts anything. Changes lose both: only what
recurs after the *same* number of steps is left. Where the frequency has a season, changes are taken over a twelfth of
it, so that the noise of fine-grained measurements does not drown the season.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

import numpy as np

from seqcast.panel.arrays import FloatArray, IntArray, evenly_spread
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.panel.panel import Panel

MOST_SERIES = 200
"""Series that are looked at, spread evenly over the panel."""
MOST_STEPS = 50_000
"""Newest steps of a series that are looked at."""
LONGEST_LAG = 2500
FEWEST_REPEATS = 3
"""A lag is judged on series that hold it this many times."""
SMALLEST_CORRELATION = 0.1
"""A peak must explain at least a hundredth of the variance of the changes, however many steps make it significant."""
FALSE_PEAK_CHANCE = 0.01
"""Chance that a series without repetition shows any peak at all (Bonferroni over the lags)."""
SHORT_MEMORY = 12
CLEARLY_HIGHER = 0.02
"""A multiple of a peak is a peak of its own if it exceeds the multiples before and after it by this much."""
MOST_PEAKS = 5


@dataclass(frozen=True, eq=False)
class Autocorrelation:
    """Mean autocorrelation of the changes of a panel."""

    seasons: tuple[int, ...]
    """Natural seasons of the frequency."""
    values: FloatArray
    """(lags + 1,) correlation at each lag, 1 at lag 0; NaN where no series is long enough."""
    num_independent: FloatArray
    """(lags + 1,) number of products behind each value if the changes of a series were independent."""
    short_memory: int
    """Last lag that counts as memory, which makes longer lags uncertain."""
    num_series: int
    """Number of series that were looked at."""

    @property
    def longest_lag(self) -> int:
        """The longest lag that a series is long enough to judge, 0 when there is none."""
        return len(self.values) - 1

    def at(self, lag: int) -> float | None:
        """The correlation at a lag; None where the series are too short or never change."""
        value = float(self.values[lag]) if lag <= self.longest_lag else float("nan")
        return None if np.isnan(value) else value

    def peaks(self) -> tuple[int, ...]:
        """Returns the lags of the clear peaks, by falling correlation, at most `MOST_PEAKS`.

        A lag is a peak if it is the highest within an eighth of itself to either side, is above `SMALLEST_CORRELATION`,
        and exceeds what chance would show at any lag. Peaks that others explain are left out: a multiple of a shorter
        peak that does not stand above the multiples beside it (a week stands above six and eight days), the sum or
        difference of two other peaks, and a peak of less than half the correlation of its own multiple.
        """
        found = self._candidates()
        own = [lag for lag in found if not any(self._is_echo(lag, other) for other in found)]
        own = [lag for lag in own if not self._is_sum(lag, own)]
        own = [lag for lag in own if not self._is_difference(lag, own)]
        whole = [lag for lag in own if not any(self._is_part(lag, other) for other in own)]
        strongest = sorted(whole, key=lambda lag: -self.values[lag])[:MOST_PEAKS]
        return tuple(self._on_season(lag) for lag in strongest)

    def _on_season(self, lag: int) -> int:
        """Returns the natural season that a peak stands for: the top of a broad peak may lie a step beside it."""
        near = (season for season in self.seasons if _is_near(lag, season))
        return next((season for season in near if self.values[season] > self.values[lag] - CLEARLY_HIGHER), lag)

    def _candidates(self) -> list[int]:
        score = NormalDist().inv_cdf(1 - FALSE_PEAK_CHANCE / len(self.values))
        # Bartlett 1946: short memory makes the correlations of long lags vary more. A season is no short memory.
        inflation = 1 + 2 * float(np.nansum(np.square(self.values[1 : self.short_memory + 1])))
        needed = np.maximum(SMALLEST_CORRELATION, score * self._standard_error * inflation**0.5)
        high = np.flatnonzero(np.nan_to_num(self.values, nan=-1.0) >= needed)
        return [int(lag) for lag in high if 2 <= lag < self.longest_lag and self._is_highest(int(lag))]

    def _is_highest(self, lag: int) -> bool:
        reach = max(1, lag // 8)
        around = self.values[max(1, lag - reach) : lag + reach + 1]
        return bool(self.values[lag] >= np.nanmax(around) and self.values[lag] > np.nanmin(around))

    def _is_echo(self, lag: int, of: int) -> bool:
        """Whether a lag is one of several multiples that are about equally high."""
        if not _is_multiple(lag, of):
            return False
        beside = [self._highest_near(lag - of), self._highest_near(lag + of)]
        margin = max(CLEARLY_HIGHER, 1.5 * float(self._standard_error[lag]))
        return float(self.values[lag]) < max(beside) + margin

    def _is_sum(self, lag: int, found: list[int]) -> bool:
        """Whether the lag is the sum of two others that are not much lower."""
        high = [other for other in found if self.values[other] > 0.75 * self.values[lag]]
        return any(abs(first + second - lag) <= 1 for first in high for second in high if first < second < lag)

    def _is_difference(self, lag: int, found: list[int]) -> bool:
        """Whether the lag is the difference of two others that are both higher."""
        higher = [other for other in found if self.values[other] > self.values[lag]]
        return any(abs(first - second - lag) <= 1 for first in higher for second in higher if first > second)

    def _is_part(self, lag: int, other: int) -> bool:
        return _is_multiple(other, lag) and bool(self.values[lag] < self.values[other] / 2)

    @property
    def _standard_error(self) -> FloatArray:
        """(lags + 1,) standard error of each value if the changes were white noise."""
        return 1 / np.sqrt(np.maximum(1, self.num_independent))

    def _highest_near(self, lag: int) -> float:
        near = self.values[max(1, lag - 1) : lag + 2]
        return float(np.nanmax(near)) if np.isfinite(near).any() else -1.0


def autocorrelation(panel: Panel) -> Autocorrelation:
    """Computes the autocorrelation of the changes, mean over at most `MOST_SERIES` series spread over the panel."""
    chosen = evenly_spread(panel.num_series, MOST_SERIES)
    longest = min(LONGEST_LAG, int(panel.lengths[chosen].max()) // FEWEST_REPEATS)
    span = max(1, min(panel.frequency.seasons, default=1) // 12)
    sums, counts, products = np.zeros((3, longest + 1))
    for series in chosen:
        values = panel.target[panel.offsets[series] : panel.offsets[series + 1]][-MOST_STEPS:]
        values = _scaled(values)
        own, pairs = _of_changes(values[span:] - values[:-span], min(longest, len(values) // FEWEST_REPEATS))
        seen = np.flatnonzero(np.isfinite(own))
        sums[seen] += own[seen]
        products[seen] += pairs[seen]
        counts[seen] += 1
    mean = np.divide(sums, counts, out=np.full(longest + 1, np.nan), where=counts > 0)
    # Series of a panel move together, so n of them count for sqrt(n).
    independent = np.divide(products, np.sqrt(counts), out=np.zeros(longest + 1), where=counts > 0)
    seasons = tuple(season for season in panel.frequency.seasons if season <= longest)
    return Autocorrelation(seasons, mean, independent, max(SHORT_MEMORY, 2 * span), len(chosen))


def _scaled(values: FloatArray) -> FloatArray:
    """Values scaled to order one, so that no square overflows; by a power of two, which keeps every digit."""
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    return np.ldexp(values, -int(np.frexp(largest)[1]))


def _of_changes(changes: FloatArray, longest: int) -> tuple[FloatArray, FloatArray]:
    """Autocorrelation at lags 0 to `longest` and the number of pairs behind each; missing changes take no part."""
    seen = np.isfinite(changes)
    variance = float(np.var(changes[seen])) if seen.any() else 0.0
    if variance <= 0:
        return np.full(longest + 1, np.nan), np.zeros(longest + 1)
    centred = np.where(seen, changes - changes[seen].mean(), 0.0)
    products, pairs = _lagged_products(centred, longest), np.round(_lagged_products(seen.astype(np.float64), longest))
    return np.divide(products, pairs * variance, out=np.full(longest + 1, np.nan), where=pairs > 0), pairs


def _lagged_products(values: FloatArray, longest: int) -> FloatArray:
    """Sum over t of values[t] values[t + lag], for lags 0 to `longest`."""
    size = 1 << (2 * len(values)).bit_length()
    spectrum = np.fft.rfft(values, size)
    return np.fft.irfft(spectrum * np.conj(spectrum), size)[: longest + 1]


def _is_near(lag: int, other: int) -> bool:
    """Whether lags are equal up to the doubt that a season of 52.18 weeks or a flat top leaves."""
    return abs(lag - other) <= other // 50


def _is_multiple(lag: int, of: int) -> bool:
    times = round(lag / of)
    return times >= 2 and _is_near(lag, times * of)


@dataclass(frozen=True)
class SeasonStrength:
    """How strongly the changes of a panel repeat after one natural season of its frequency."""

    season: int
    duration: str
    autocorrelation: float | None
    """Mean over series, -1 to 1; None where they are too short or never change."""


@dataclass(frozen=True)
class PanelSummary:
    """The numbers of a panel that a person wants to see before training."""

    num_series: int
    num_rows: int
    num_missing: int
    shortest: int
    median_length: float
    longest: int
    first_time: str
    latest_start: str
    earliest_end: str
    last_time: str
    seasons: tuple[SeasonStrength, ...]
    num_season_series: int
    """Number of series on which the seasons were measured, spread evenly over the panel."""


def summarise(panel: Panel) -> PanelSummary:
    """Counts the steps of a panel and measures its seasons."""
    return SeriesFacts.of(panel).summary(panel.frequency, autocorrelation(panel))


@dataclass(frozen=True, eq=False)
class SeriesFacts:
    """The numbers of each series of a panel, or of a group of its series, from which it is summarised."""

    lengths: IntArray
    starts: TimeArray
    ends: TimeArray
    """Time of the last row of each series."""
    num_missing: int

    @classmethod
    def of(cls, panel: Panel) -> Self:
        """Returns the numbers of the series of a panel."""
        ends = panel.times(np.arange(panel.num_series), panel.lengths - 1)
        return cls(panel.lengths, panel.starts, ends, int(np.isnan(panel.target).sum()))

    @classmethod
    def joined(cls, groups: Sequence[Self]) -> Self:
        """Returns the numbers of all series of some groups, in their order."""
        return cls(
            lengths=np.concatenate([each.lengths for each in groups]),
            starts=np.concatenate([each.starts for each in groups]),
            ends=np.concatenate([each.ends for each in groups]),
            num_missing=sum(each.num_missing for each in groups),
        )

    def summary(self, frequency: Frequency, found: Autocorrelation) -> PanelSummary:
        """Returns the summary of the series."""
        return PanelSummary(
            num_series=len(self.lengths),
            num_rows=int(self.lengths.sum()),
            num_missing=self.num_missing,
            shortest=int(self.lengths.min()),
            median_length=float(np.median(self.lengths)),
            longest=int(self.lengths.max()),
            first_time=frequency.show(self.starts.min()),
            latest_start=frequency.show(self.starts.max()),
            earliest_end=frequency.show(self.ends.min()),
            last_time=frequency.show(self.ends.max()),
            seasons=tuple(SeasonStrength(lag, frequency.duration(lag), found.at(lag)) for lag in frequency.seasons),
            num_season_series=found.num_series,
        )
