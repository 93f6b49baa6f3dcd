"""Sample paths of forecasts, whose steps hang together, and totals over their horizon.

Every step of a path is a value of the forecast's own distribution (`results.normal_scores`), so the paths of a step
agree with its quantiles. How the steps hang together is learned from past errors (`results.dependence`).

Beyond the trained horizon, a block builds on the blocks before it: as `results.widening` adds up their variance, the
errors of its steps are their own and those that earlier blocks had where they are widest.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

import numpy as np

from seqcast.errors import UsageError, option
from seqcast.panel.arrays import FloatArray
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.results.dependence import PathStream, StepDependence
from seqcast.results.forecast import Forecast
from seqcast.results.normal_scores import is_two_sided, values_at

Aggregate = Literal["sum", "mean", "min", "max"]
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)
MOST_SAMPLES = 1_000_000
"""Largest number of paths of each window."""
USUAL_SAMPLES = 1000
"""Paths behind a total over the horizon, unless another number is asked for."""
VALUES_AT_ONCE = 2_000_000
"""Values of all paths that are held at the same time."""


@dataclass(frozen=True)
class SamplePlan:
    """The paths that are drawn of every window."""

    num_samples: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.num_samples <= MOST_SAMPLES:
            allowed = "at least 1" if self.num_samples < 1 else f"at most {MOST_SAMPLES:,}"
            raise UsageError(f"{option('samples', self.num_samples)}: the number of sample paths must be {allowed}.")
        if self.seed < 0:
            raise UsageError(f"{option('seed', self.seed)}: a seed is a whole number from 0 on.")


@dataclass(frozen=True, eq=False)
class SamplePaths:
    """N paths of each of W windows."""

    forecast: Forecast
    """The forecasts of the W windows."""
    first: int
    """Number of the first path, counted from 1."""
    values: FloatArray
    """(W, N, H)"""


@dataclass(frozen=True, eq=False)
class Totals:
    """The distribution of one number over the horizon of each of W windows."""

    aggregate: Aggregate
    frequency: Frequency
    series_ids: tuple[str, ...]
    """(W,)"""
    cutoffs: TimeArray
    """(W,) last observed time of each window."""
    ends: TimeArray
    """(W,) time of the last step of each horizon."""
    horizon: int
    levels: tuple[float, ...]
    """(L,) levels of the intervals in percent."""
    median: FloatArray
    """(W,)"""
    low: FloatArray
    """(W, L) lower bound of each interval."""
    high: FloatArray
    """(W, L)"""


def draw_paths(
    forecast: Forecast, dependence: StepDependence, trained_horizon: int, plan: SamplePlan
) -> Iterator[SamplePaths]:
    """The paths of every window, in bounded pieces: in the order of the windows, of each by number.

    A path is a function of the forecast of its window, the name of its series, its cutoff, its number and the seed. Its
    first steps are those of a path over a longer horizon.

    Args:
        forecast: With quantiles on both sides of the median.
        dependence: How the steps of one trained horizon hang together.
        trained_horizon: Steps that a model forecasts at once.
        plan: The number of paths, and the seed.

    Raises:
        UsageError: The forecast has no quantiles.
    """
    levels = forecast.quantile_levels
    if not is_two_sided(levels):
        raise UsageError(
            "this forecast has no quantiles to draw samples from.",
            hint=f"Train with {option('loss', 'quantile')}, and quantiles on both sides of the median.",
        )
    steps = max(forecast.horizon, trained_horizon)
    num_windows = max(1, VALUES_AT_ONCE // (steps * plan.num_samples))
    num_paths = min(plan.num_samples, max(1, VALUES_AT_ONCE // steps))
    for start in range(0, len(forecast.series_ids), num_windows):
        part = forecast_part(forecast, slice(start, start + num_windows))
        drawers = [
            _Drawer.of(part, window, dependence, trained_horizon, plan.seed) for window in range(len(part.point))
        ]
        for first in range(0, plan.num_samples, num_paths):
            count = min(num_paths, plan.num_samples - first)
            scores = np.stack([drawer.take(count) for drawer in drawers])
            yield SamplePaths(part, first + 1, _possible(part, values_at(scores, levels, part.quantiles)))


def draw_totals(
    forecast: Forecast, paths: Iterator[SamplePaths], aggregate: Aggregate, levels: Sequence[float]
) -> Totals:
    """The distribution over all paths of one number over the horizon.

    Args:
        forecast: That of the paths.
        paths: As `draw_paths` yields them.
        aggregate: The number.
        levels: Levels of the intervals in percent.
    """
    tails = np.array([(1 - level / 100) / 2 for level in levels])
    probabilities = np.concatenate([[0.5], tails, 1 - tails])
    # A quantile of whole numbers is one of them.
    method: Literal["inverted_cdf", "linear"] = "inverted_cdf" if forecast.integer and aggregate != "mean" else "linear"
    found = [np.quantile(numbers, probabilities, axis=1, method=method) for numbers in _numbers(paths, aggregate)]
    median, low, high = np.split(np.concatenate(found, axis=1).T, [1, 1 + len(tails)], axis=1)
    return Totals(
        aggregate,
        forecast.frequency,
        forecast.series_ids,
        forecast.cutoffs,
        forecast.times()[:, -1],
        forecast.horizon,
        tuple(levels),
        median[:, 0],
        low,
        high,
    )


def _numbers(paths: Iterator[SamplePaths], aggregate: Aggregate) -> Iterator[FloatArray]:
    """(W, N) the number in every path, once for each group of windows; the paths of one may come in several pieces."""
    functions: dict[Aggregate, Callable[..., FloatArray]] = {
        "sum": np.sum,
        "mean": np.mean,
        "min": np.min,
        "max": np.max,
    }
    pending: list[FloatArray] = []
    for piece in paths:
        if piece.first == 1 and pending:
            yield np.concatenate(pending, axis=1)
            pending = []
        pending.append(functions[aggregate](piece.values, axis=2))
    yield np.concatenate(pending, axis=1)


def forecast_part(forecast: Forecast, windows: slice) -> Forecast:
    """The forecast of some windows."""
    return replace(
        forecast,
        series_ids=forecast.series_ids[windows],
        cutoffs=forecast.cutoffs[windows],
        point=forecast.point[windows],
        quantiles=forecast.quantiles[windows],
        least=None if forecast.least is None else forecast.least[windows],
    )


def _possible(forecast: Forecast, values: FloatArray) -> FloatArray:
    """The values (W, N, H) among possible outcomes."""
    if forecast.least is not None:
        values = np.maximum(values, forecast.least[:, None, None])
    return np.rint(values) if forecast.integer else values


@dataclass(frozen=True)
class _Drawer:
    """The normal scores of the paths of one window, block after block."""

    streams: tuple[PathStream, ...]
    """One for each block."""
    own_share: FloatArray
    """(blocks, trained horizon) part of the variance of a step that its own block has."""
    widest: int
    """Index of the step with the widest interval in the first block."""
    horizon: int

    @classmethod
    def of(cls, forecast: Forecast, window: int, dependence: StepDependence, trained_horizon: int, seed: int) -> Self:
        num_blocks = -(-forecast.horizon // trained_horizon)
        own_share, widest = np.ones((num_blocks, trained_horizon)), 0
        if num_blocks > 1:
            quantiles = forecast.quantiles[window, :trained_horizon]
            squares = np.square(quantiles[:, -1] - quantiles[:, 0])
            widest = int(np.argmax(squares))
            whole = squares + np.arange(num_blocks)[:, None] * squares[widest]
            own_share = np.where(whole > 0, squares / np.where(whole > 0, whole, 1.0), 1.0)
        name = f"{forecast.series_ids[window]}\n{forecast.cutoffs[window]}".encode("utf-8", "surrogatepass")
        words = np.frombuffer(hashlib.blake2b(name, digest_size=16).digest(), np.uint32)
        keys = [(seed, *map(int, words), block) for block in range(num_blocks)]
        streams = tuple(dependence.paths(key, trained_horizon) for key in keys)
        return cls(streams, own_share, widest, forecast.horizon)

    def take(self, num_paths: int) -> FloatArray:
        """(num_paths, horizon) normal scores of the next paths."""
        carried, blocks = np.zeros(num_paths), []
        for number, (stream, own) in enumerate(zip(self.streams, self.own_share, strict=True)):
            drawn = stream.take(num_paths)
            inherited = np.sqrt((1 - own) / max(number, 1)) * carried[:, None]
            blocks.append(np.sqrt(own) * drawn + inherited)
            carried += drawn[:, self.widest]
        return np.concatenate(blocks, axis=1)[:, : self.horizon]
