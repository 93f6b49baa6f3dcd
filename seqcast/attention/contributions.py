"""How much of the forecast, and of its accuracy, comes from each input of the network.

An input is replaced by that of another past origin, whole window by whole window (a permutation in blocks), and the
forecast is made again. Over pairs of origins f is the own forecast, f_i the one with input i replaced, f_0 the one with
everything replaced, and f_-i the one with everything but i replaced:

    forecast   E (f - f_i)^2 / E (f - f_0)^2         total effect (Jansen 1999): all that the input takes part in
    alone      1 - E (f - f_-i)^2 / E (f - f_0)^2    its effect without the others (Sobol 1993)
    accuracy   increase of the absolute error without i, as a part of that without everything

What `alone` leaves over of `forecast` is owed to interactions. Inputs that go together in the data, such as temperature
and season, are torn apart by this, so both may seem to matter less or more than they do (Hooker and Mentch 2019).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqcast.attention.content import varied_origins
from seqcast.attention.lag_report import horizon_groups
from seqcast.attention.replaced_windows import Input, Kind, WindowPair, inputs_of
from seqcast.errors import DataError
from seqcast.forecasting import Forecasting
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.panel import Panel
from seqcast.results.origins import Origins
from seqcast.run.load import TrainedModel

MOST_WINDOWS, FEWEST_WINDOWS = 192, 16
NUM_DRAWS = 2
"""Other origins for each origin."""
NUM_BLOCKS = 8
"""Stretches of time that are left out in turn for the standard errors."""
_AT_ONCE = 96


@dataclass(frozen=True)
class Contribution:
    """The part of one input in one group of forecast steps."""

    label: str
    """The group of forecast steps."""
    forecast: float
    forecast_error: float
    """Standard error of `forecast`, over stretches of time."""
    alone: float
    accuracy: float | None
    """None where the forecast is no more accurate than that of another origin."""
    accuracy_error: float | None


@dataclass(frozen=True)
class InputContribution:
    """The parts of one input."""

    name: str
    kind: Kind
    overall: Contribution
    by_horizon: tuple[Contribution, ...]


@dataclass(frozen=True)
class Contributions:
    """The parts of all inputs, by falling part in the forecast."""

    inputs: tuple[InputContribution, ...]
    interactions: float
    """Part of the forecast that no input has alone."""
    num_windows: int


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over the steps of each group, of W windows and N inputs."""

    total: FloatArray
    """(N, W, groups) squared changes with one input replaced."""
    others: FloatArray
    """(N, W, groups) squared changes with all others replaced."""
    worse: FloatArray
    """(N, W, groups) increases of the absolute error with one input replaced."""
    everything: FloatArray
    """(2, W, groups) squared change and increase of the error with everything replaced."""


def contributions(model: TrainedModel, panel: Panel) -> Contributions:
    """Measure the parts of all inputs at past origins of the panel whose truth is known.

    Raises:
        DataError: There are fewer than `FEWEST_WINDOWS` past origins.
    """
    model = model.as_validated
    origins = varied_origins(model, panel, MOST_WINDOWS)
    if len(origins) < FEWEST_WINDOWS:
        raise DataError(
            f"{len(origins)} past origins are too few to tell the inputs apart; {FEWEST_WINDOWS} are needed.",
            hint="Give a longer table.",
        )
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    inputs = inputs_of(model, panel)
    sums = _measure(forecasting, origins, inputs)
    blocks = _blocks(forecasting, origins)
    labels = ["all steps", *(label for label, _ in horizon_groups(model.horizon))]
    found = [
        InputContribution(each.name, each.kind, parts[0], tuple(parts[1:]))
        for number, each in enumerate(inputs)
        for parts in [[_contribution(sums, number, group, label, blocks) for group, label in enumerate(labels)]]
    ]
    found.sort(key=lambda each: -each.overall.forecast)
    return Contributions(tuple(found), 1 - sum(each.overall.alone for each in found), len(origins))


@torch.inference_mode()
def _measure(forecasting: Forecasting, origins: Origins, inputs: tuple[Input, ...]) -> _Sums:
    horizon, num_windows = forecasting.model.horizon, len(origins)
    groups = [slice(0, horizon), *(slice(steps.start, steps.stop) for _, steps in horizon_groups(horizon))]
    total, others, worse = np.zeros((3, len(inputs), num_windows, len(groups)))
    sums = _Sums(total, others, worse, np.zeros((2, num_windows, len(groups))))

    def by_group(values: Tensor) -> FloatArray:
        return np.stack([values[:, steps].sum(dim=1).cpu().numpy() for steps in groups], axis=1)

    for rows, pair in _pairs(forecasting, origins):
        truth, judged = pair.own.future_target.double(), pair.own.future_observed
        own = pair.forecast(())
        error = (own - truth).abs()
        changed = pair.forecast(inputs)
        sums.everything[0, rows] += by_group((changed - own).square())
        sums.everything[1, rows] += by_group(((changed - truth).abs() - error) * judged)
        for number, each in enumerate(inputs):
            changed = pair.forecast((each,))
            sums.total[number, rows] += by_group((changed - own).square())
            sums.worse[number, rows] += by_group(((changed - truth).abs() - error) * judged)
            changed = pair.forecast([other for other in inputs if other is not each])
            sums.others[number, rows] += by_group((changed - own).square())
    return sums


def _pairs(forecasting: Forecasting, origins: Origins) -> Iterator[tuple[IntArray, WindowPair]]:
    """Every origin beside `NUM_DRAWS` others, in batches with the places of the origins."""
    random, count = np.random.default_rng(0), len(origins)
    for _ in range(NUM_DRAWS):
        order = random.permutation(count)
        other = np.roll(order, 1)
        for first in range(0, count, _AT_ONCE):
            rows, partners = order[first : first + _AT_ONCE], other[first : first + _AT_ONCE]
            ((_, own),) = forecasting.batches(origins[rows], _AT_ONCE)
            ((_, replaced),) = forecasting.batches(origins[partners], _AT_ONCE)
            yield rows, WindowPair.of(forecasting.model.network, own, replaced)


def _blocks(forecasting: Forecasting, origins: Origins) -> IntArray:
    """(W,) stretch of time that each origin lies in."""
    times = forecasting.panel.times(origins.series, origins.positions)
    _, rank = np.unique(times, return_inverse=True)
    blocks: IntArray = rank * NUM_BLOCKS // (rank.max() + 1)
    return blocks


def _contribution(sums: _Sums, number: int, group: int, label: str, blocks: IntArray) -> Contribution:
    changed, worse = sums.everything[:, :, group]
    forecast, error = _ratio(sums.total[number, :, group], changed, blocks)
    others, _ = _ratio(sums.others[number, :, group], changed, blocks)
    accuracy = _ratio(sums.worse[number, :, group], worse, blocks) if worse.sum() > 0 else (None, None)
    return Contribution(label, forecast, error, 1 - others, *accuracy)


def _ratio(part: FloatArray, whole: FloatArray, blocks: IntArray) -> tuple[float, float]:
    """The ratio of two sums over windows, and its standard error by leaving out each block in turn (jackknife)."""
    parts, wholes = np.bincount(blocks, part), np.bincount(blocks, whole)
    used = np.unique(blocks)
    ratio = float(part.sum() / max(whole.sum(), 1e-12))
    left = (part.sum() - parts[used]) / np.maximum(whole.sum() - wholes[used], 1e-12)
    error = float(np.sqrt((len(used) - 1) / len(used) * np.square(left - left.mean()).sum()))
    return ratio, error
