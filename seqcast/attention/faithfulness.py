"""Does the attended lag matter? What forecasts lose without it, beside what they lose without other lags.

Attention weights may be high where nothing is used and low where much is (Jain and Wallace 2019, arXiv 1902.10186).
Three questions are put to the model, on windows whose truth is known:

    removed    the weights on a band of lags are set to zero and the others made to sum to 1 again
    replaced   the value at one lag becomes the mean of its window, before the encoder reads it
    shuffled   all weights are dealt out to other lags, at random

the first two beside random bands of equal width that were not attended. Windows are encoded once for weights, and once
for each context step for values, or for each few of a long context. Only sums are kept.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from seqcast.attention.effects import Effect, point_forecast
from seqcast.attention.replaced_inputs import InputEffects, replace_inputs
from seqcast.errors import DataError, UsageError, option
from seqcast.forecasting import Forecasting, Origins, observed_ends, rolling_origins
from seqcast.panel.panel import BoolArray, FloatArray, Panel
from seqcast.results.lag_profile import LagBand, LagProfile, by_lag
from seqcast.run.load import TrainedModel

Verdict = Literal["faithful", "weak", "contradicted"]

MOST_BANDS = 3
NUM_CONTROLS = 5
NUM_SHUFFLES = 19
"""So that weights without meaning beat all shuffled ones once in 20 times."""
REMOVAL_WINDOWS = 192
CLEAR_RATIO = 2.0
"""The attended band must move the forecast at least this many times as much as other bands to count as faithful."""
CLEAR_LOSS = 0.1
"""The error must grow by this part of itself when the weights are shuffled."""
_AT_ONCE = 64


@dataclass(frozen=True)
class BandEffect:
    """One attended band beside random bands of equal width."""

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
    """The answer."""

    verdict: Verdict
    reason: str
    """The verdict's numbers in words."""
    rank_correlation: float | None
    """Spearman's, over lags, of mean weight and effect of replacing the value; None where either is constant."""
    shuffled: Effect
    """Of dealing the weights out at random; mean over several deals."""
    shuffles_beaten: float
    """Part of the deals with a greater error than the model's own weights have."""
    bands: tuple[BandEffect, ...]
    num_windows: int

    def as_dict(self) -> dict[str, object]:
        """The fields under their names."""
        return asdict(self)


def verify(model: TrainedModel, panel: Panel, windows: int) -> Faithfulness:
    """What attended lags are worth at the newest `windows` origins of each series whose horizon has been observed.

    Raises:
        UsageError: The model has no attention.
        DataError: No series has an origin whose truth is known.
    """
    if not model.network.attends:
        raise UsageError(f"this run was trained with {option('attention', 'none')}, so there is nothing to verify.")
    origins = known_origins(model, panel, windows)
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    asked = origins.spread(REMOVAL_WINDOWS)
    inputs = replace_inputs(forecasting, asked)
    weights = _mean_weights(forecasting, asked)
    profile = _profile(weights, panel)
    bands = profile.bands()[:MOST_BANDS]
    controls = [_control_bands(profile, band, seed) for seed, band in enumerate(bands)]
    tested = [(band.first_lag, band.last_lag) for band in bands]
    kept = [
        _outside(pair, model.horizon, model.context) for pair in [*tested, *(p for pairs in controls for p in pairs)]
    ]
    removed, shuffles = _changed_weights(forecasting, asked, kept)
    shuffled, beaten = _mean_effect(shuffles), float(np.mean([effect.error_change > 0 for effect in shuffles]))
    effects, used = [], len(bands)
    for number, (band, pairs) in enumerate(zip(bands, controls, strict=True)):
        others = _mean_effect(removed[used : used + len(pairs)])
        used += len(pairs)
        replaced = inputs.of_band(band.first_lag, band.last_lag)
        control = _mean_effect([inputs.of_band(first, last) for first, last in pairs])
        place = (band.first_lag, band.last_lag, band.peak_duration, band.share)
        effects.append(BandEffect(*place, removed[number], others, replaced, control))
    correlation = _rank_correlation(profile, inputs)
    verdict, reason = judge(tuple(effects), (shuffled, beaten), correlation)
    return Faithfulness(verdict, reason, correlation, shuffled, beaten, tuple(effects), len(asked))


def known_origins(model: TrainedModel, panel: Panel, windows: int) -> Origins:
    """The newest origins of each series whose whole horizon has been observed, one horizon apart.

    Raises:
        DataError: There is none.
    """
    last = observed_ends(panel) - model.horizon
    origins = rolling_origins(np.minimum(model.context, np.maximum(last, 1)), last, model.horizon, windows)
    if not len(origins):
        raise DataError(f"no series has {model.horizon} observed steps behind an origin.", hint="Give a longer table.")
    return origins


def judge(
    bands: tuple[BandEffect, ...], shuffles: tuple[Effect, float], correlation: float | None
) -> tuple[Verdict, str]:
    """The verdict and its numbers; `shuffles` are the mean effect of shuffling and the part of shuffles beaten.

    *faithful*: inputs in the attended bands move the forecast `CLEAR_RATIO` times as much as elsewhere, the error grows
    without their weights, grows by `CLEAR_LOSS` when they are shuffled and under each shuffle, and effect rises with
    weight. *contradicted*: other inputs move the forecast as much, or any order of the weights does as well, or effect
    falls where weight rises. Else *weak*.
    """
    if not bands:
        return "weak", "no lag stands out of equal weights, so there is none to verify"
    total = sum(band.share for band in bands)
    shuffled, beaten = shuffles

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
    sharp = ratio >= CLEAR_RATIO and shuffled.error_change >= CLEAR_LOSS and beaten == 1
    if sharp and worse > 0 and rising > 0:
        return "faithful", reason
    if ratio <= 1 or shuffled.error_change <= 0 or rising < 0:
        return "contradicted", reason
    return "weak", reason


@torch.inference_mode()
def _mean_weights(forecasting: Forecasting, origins: Origins) -> FloatArray:
    """(H, S) mean weights."""
    model = forecasting.model
    sums = np.zeros((model.horizon, model.context))
    for _, batch in forecasting.batches(origins, _AT_ONCE):
        weights = model.network(batch).weights
        assert weights is not None
        sums += weights.double().sum(dim=0).cpu().numpy()
    return sums / len(origins)


@torch.inference_mode()
def _changed_weights(
    forecasting: Forecasting, origins: Origins, keeps: list[BoolArray]
) -> tuple[list[Effect], list[Effect]]:
    """The effect of removing weights, over the steps that had some, and of each shuffle."""
    model, device = forecasting.model, forecasting.device
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(model.context, generator=generator).to(device) for _ in range(NUM_SHUFFLES)]
    masks = [torch.from_numpy(keep).to(device) for keep in keeps]
    everywhere = torch.ones(model.horizon, dtype=torch.bool, device=device)
    sums = torch.zeros(len(masks) + len(orders), 7, dtype=torch.float64)
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
    """(7,) values, scored ones, change, its square, error, error without the change, growth of the squared error."""
    judged = touched & seen
    difference = (changed - base)[touched]
    after, before = (changed - truth)[judged].double(), (base - truth)[judged].double()
    squared = (after - before).square().sum()
    growth = (after.square() - before.square()).sum()
    counts = torch.tensor([len(difference), len(after)], dtype=torch.float64)
    sums = (difference.abs().double().sum(), squared, after.abs().sum(), before.abs().sum(), growth)
    return torch.cat([counts, torch.stack([value.cpu() for value in sums])])


def _effect(sums: list[float]) -> Effect:
    values, _, moved, squared, after, before, growth = sums
    return Effect(moved / max(values, 1), after / max(before, 1e-12) - 1, growth / max(squared, 1e-12))


def _outside(band: tuple[int, int], horizon: int, context: int) -> BoolArray:
    """(H, S) True where a context step does not lie in the band of lags before the forecast step."""
    lags = context - np.arange(context)[None, :] + np.arange(horizon)[:, None]
    outside: BoolArray = (lags < band[0]) | (lags > band[1])
    return outside


def _profile(weights: FloatArray, panel: Panel) -> LagProfile:
    horizon, context = weights.shape
    uniform = by_lag(np.full((horizon, context), 1 / (horizon * context)))
    share = by_lag(weights / horizon)
    return LagProfile("all steps", panel.frequency, share, uniform, float("nan"))


def _control_bands(profile: LagProfile, band: LagBand, seed: int) -> list[tuple[int, int]]:
    """Random bands of equal width that meet no attended band."""
    width, num_lags = band.last_lag - band.first_lag + 1, len(profile.share)
    attended = np.zeros(num_lags + 1, bool)
    for other in profile.bands():
        attended[other.first_lag : other.last_lag + 1] = True
    free = [first for first in range(1, num_lags - width + 2) if not attended[first : first + width].any()]
    chosen = np.random.default_rng(seed).permutation(free)[:NUM_CONTROLS]
    return [(int(first), int(first) + width - 1) for first in chosen]


def _mean_effect(effects: list[Effect]) -> Effect:
    """The mean; no effect where there was no room for a control."""
    if not effects:
        return Effect(0.0, 0.0, 0.0)
    changes = [(effect.forecast_change, effect.error_change, effect.usefulness) for effect in effects]
    forecast_change, error_change, usefulness = np.mean(changes, axis=0).tolist()
    return Effect(forecast_change, error_change, usefulness)


def _rank_correlation(profile: LagProfile, inputs: InputEffects) -> float | None:
    seen = np.isfinite(inputs.forecast_change)
    lift, effect = profile.lift[seen], inputs.forecast_change[seen]
    if np.ptp(lift) < 1e-9 or np.ptp(effect) < 1e-12:
        return None
    return float(spearmanr(lift, effect).statistic)
