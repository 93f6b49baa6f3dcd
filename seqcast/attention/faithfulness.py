"""Test of whether the attended lags matter: the effect of removing them, compared with the effect of removing others.

Attention weights may be high on inputs that the model does not use, and low on inputs that it does (Jain and Wallace
2019, arXiv 1902.10186). Windows with a known truth are forecast with three changes:

    removed    the weights on a band of lags become zero, and the others are scaled to sum to 1 again
    replaced   the value at one lag becomes the mean of its window before the encoder reads it
    shuffled   all weights move to random other lags

Random bands of equal width that were not attended are the controls of the first two. Changed weights need one encoding
of a window, replaced values one for each replaced context step. Only sums are kept.
"""

from dataclasses import astuple, dataclass
from typing import Literal

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from seqcast.attention.replaced_inputs import Effect, InputEffects, point_forecast, replace_inputs
from seqcast.errors import UsageError, option
from seqcast.forecasting import Forecasting
from seqcast.panel.arrays import BoolArray, FloatArray
from seqcast.panel.panel import Panel
from seqcast.results.lag_profile import LagBand, LagProfile, target_profile
from seqcast.results.origins import Origins, known_origins
from seqcast.run.load import TrainedModel

Verdict = Literal["faithful", "weak", "contradicted"]

MOST_BANDS = 3
NUM_CONTROLS = 5
NUM_SHUFFLES = 19
"""Weights without meaning beat all shuffled ones once in 20 times."""
REMOVAL_WINDOWS = 192
CLEAR_RATIO = 2.0
"""Faithful attention moves the forecast at least this many times as much as other lags do."""
CLEAR_LOSS = 0.1
"""Shuffling faithful weights increases the error by at least this part."""
_AT_ONCE = 64


@dataclass(frozen=True)
class BandEffect:
    """The effects of one attended band, and the mean effects of random bands of equal width."""

    first_lag: int
    last_lag: int
    peak_duration: str
    share: float
    removed: Effect
    removed_control: Effect
    replaced: Effect
    replaced_control: Effect


@dataclass(frozen=True)
class Faithfulness:
    """The verdict and the numbers behind it."""

    verdict: Verdict
    reason: str
    """The numbers in words."""
    rank_correlation: float | None
    """Spearman correlation, over lags, of mean weight and effect of replacing the value; None if either is constant."""
    shuffled: Effect
    """Mean effect of shuffling the weights."""
    shuffles_beaten: float
    """Part of the shuffles that increase the error."""
    bands: tuple[BandEffect, ...]
    num_windows: int


def verify(model: TrainedModel, panel: Panel, windows: int) -> Faithfulness:
    """Test the attended lags at the newest `windows` origins of each series whose whole horizon has been observed.

    Raises:
        UsageError: The model has no attention.
        DataError: No series has an origin whose truth is known.
    """
    if not model.network.attends:
        raise UsageError(f"this run was trained with {option('attention', 'none')}, so there is nothing to verify.")
    origins = known_origins(panel, model.horizon, model.context, windows)
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    tested = origins.spread(REMOVAL_WINDOWS)
    inputs = replace_inputs(forecasting, tested)
    profile = target_profile(_mean_weights(forecasting, tested), panel.frequency)
    bands = profile.bands()[:MOST_BANDS]
    lags = [[(band.first_lag, band.last_lag), *_control_bands(profile, band, seed)] for seed, band in enumerate(bands)]
    kept = [_outside(pair, model.horizon, model.context) for pairs in lags for pair in pairs]
    removed, shuffles = _changed_weights(forecasting, tested, kept)
    effects, each_removed = [], iter(removed)
    for band, pairs in zip(bands, lags, strict=True):
        own_removed, *other_removed = [next(each_removed) for _ in pairs]
        own_replaced, *other_replaced = [inputs.of_band(first, last) for first, last in pairs]
        controls = (_mean_effect(other_removed), _mean_effect(other_replaced))
        place = (band.first_lag, band.last_lag, band.peak_duration, band.share)
        effects.append(BandEffect(*place, own_removed, controls[0], own_replaced, controls[1]))
    shuffled, beaten = _mean_effect(shuffles), float(np.mean([effect.error_change > 0 for effect in shuffles]))
    correlation = _rank_correlation(profile, inputs)
    verdict, reason = judge(tuple(effects), shuffled, beaten, correlation)
    return Faithfulness(verdict, reason, correlation, shuffled, beaten, tuple(effects), len(tested))


def judge(
    bands: tuple[BandEffect, ...], shuffled: Effect, beaten: float, correlation: float | None
) -> tuple[Verdict, str]:
    """The verdict and its numbers in words; the arguments are fields of `Faithfulness`.

    *faithful*: inputs in the attended bands move the forecast `CLEAR_RATIO` times as much as others; the error grows
    without the weights of the bands; every shuffle increases it, on average by `CLEAR_LOSS`; and the effect of a lag
    rises with its weight. *contradicted*: other inputs move the forecast as much, or shuffling does not increase the
    error, or the effect falls with rising weight. *weak*: anything else.
    """
    if not bands:
        return "weak", "no lag stands out of equal weights, so there is none to verify"
    total = sum(band.share for band in bands)

    def mean(values: list[float]) -> float:
        return sum(value * band.share for value, band in zip(values, bands, strict=True)) / total

    moved = mean([band.replaced.forecast_change for band in bands])
    elsewhere = mean([band.replaced_control.forecast_change for band in bands])
    worse = mean([band.removed.error_change for band in bands])
    ratio = moved / max(elsewhere, 1e-9)
    rising = 0.0 if correlation is None else correlation
    reason = (
        f"attended inputs move the forecast {min(ratio, 999):.1f} times as much as others; the error changes by "
        f"{100 * worse:+.1f} % without their weights, by {100 * shuffled.error_change:+.1f} % with shuffled weights "
        f"(own are better than {100 * beaten:.0f} % of those); rank correlation of weight and effect {rising:.2f}"
    )
    if ratio <= 1 or shuffled.error_change <= 0 or rising < 0:
        return "contradicted", reason
    clear = ratio >= CLEAR_RATIO and shuffled.error_change >= CLEAR_LOSS and beaten == 1
    return "faithful" if clear and worse > 0 and rising > 0 else "weak", reason


@torch.inference_mode()
def _mean_weights(forecasting: Forecasting, origins: Origins) -> FloatArray:
    """(H, S) mean weights."""
    model = forecasting.model
    sums = np.zeros((model.horizon, model.context))
    for _, batch in forecasting.batches(origins, _AT_ONCE):
        weights = model.network(batch, write_out=True).weights
        assert weights is not None
        sums += weights.double().sum(dim=0).cpu().numpy()
    return sums / len(origins)


@torch.inference_mode()
def _changed_weights(
    forecasting: Forecasting, origins: Origins, keeps: list[BoolArray]
) -> tuple[list[Effect], list[Effect]]:
    """The effects of keeping the weights of each (H, S) mask only, on the steps that lose some, and of each shuffle."""
    model, device = forecasting.model, forecasting.device
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(model.context, generator=generator).to(device) for _ in range(NUM_SHUFFLES)]
    masks = [torch.from_numpy(keep).to(device) for keep in keeps]
    everywhere = torch.ones(model.horizon, dtype=torch.bool, device=device)
    sums = torch.zeros(len(masks) + len(orders), 6, dtype=torch.float64)
    for _, batch in forecasting.batches(origins, _AT_ONCE):
        encoded = model.network.encode(batch)
        base = point_forecast(model.network, batch, encoded)
        truth = encoded.standardisation.apply(batch.future_target, batch.future_observed)
        variants = [(encoded.keeping(keep), ~keep.all(dim=1)) for keep in masks]
        variants += [(encoded.reordered(order), everywhere) for order in orders]
        for number, (variant, steps) in enumerate(variants):
            changed, touched = point_forecast(model.network, batch, variant), steps.expand_as(base)
            sums[number] += _change_sums(changed, base, truth, touched, batch.future_observed)
    effects = [_effect(row) for row in sums.tolist()]
    return effects[: len(masks)], effects[len(masks) :]


def _change_sums(changed: Tensor, base: Tensor, truth: Tensor, touched: Tensor, seen: Tensor) -> Tensor:
    """(6,) number of values, absolute and squared change, error after and before, growth of the squared error."""
    judged = touched & seen
    difference = (changed - base)[touched]
    after, before = (changed - truth)[judged].double(), (base - truth)[judged].double()
    squared = (after - before).square().sum()
    growth = (after.square() - before.square()).sum()
    sums = (difference.abs().double().sum(), squared, after.abs().sum(), before.abs().sum(), growth)
    return torch.stack([torch.tensor(float(len(difference)), dtype=torch.float64), *(value.cpu() for value in sums)])


def _effect(sums: list[float]) -> Effect:
    values, moved, squared, after, before, growth = sums
    return Effect(moved / max(values, 1), after / max(before, 1e-12) - 1, growth / max(squared, 1e-12))


def _outside(band: tuple[int, int], horizon: int, context: int) -> BoolArray:
    """(H, S) True for context steps outside the band of lags before the forecast step."""
    lags = context - np.arange(context)[None, :] + np.arange(horizon)[:, None]
    return (lags < band[0]) | (lags > band[1])


def _control_bands(profile: LagProfile, band: LagBand, seed: int) -> list[tuple[int, int]]:
    """Random bands of equal width that do not overlap an attended band."""
    width, num_lags = band.last_lag - band.first_lag + 1, len(profile.share)
    attended = np.zeros(num_lags + 1, bool)
    for other in profile.bands():
        attended[other.first_lag : other.last_lag + 1] = True
    free = [first for first in range(1, num_lags - width + 2) if not attended[first : first + width].any()]
    chosen = np.random.default_rng(seed).permutation(free)[:NUM_CONTROLS]
    return [(int(first), int(first) + width - 1) for first in chosen]


def _mean_effect(effects: list[Effect]) -> Effect:
    """The mean of the effects; no effect if there was no room for a control."""
    if not effects:
        return Effect(0.0, 0.0, 0.0)
    return Effect(*np.mean([astuple(effect) for effect in effects], axis=0).tolist())


def _rank_correlation(profile: LagProfile, inputs: InputEffects) -> float | None:
    seen = np.isfinite(inputs.forecast_change)
    lift, effect = profile.lift[seen], inputs.forecast_change[seen]
    if np.ptp(lift) < 1e-9 or np.ptp(effect) < 1e-12:
        return None
    return float(spearmanr(lift, effect).statistic)
