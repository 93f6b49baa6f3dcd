"""Test of whether the attended lags matter: the effect of removing them, compared with the effect of removing others.

Attention weights may be high on inputs that the model does not use, and low on inputs that it does (Jain and Wallace
2019, arXiv 1902.10186). Windows with a known truth are forecast with these changes:

    without    the mean of the context instead of the forecast, as if nothing were attended
    removed    the weights on a band of lags become zero, and the others are scaled to sum to 1 again
    moved      the band exchanges its weights with a random band of equal width that was not attended
    replaced   the value at one lag becomes the location of its window before the encoder reads it
    shuffled   all weights move to random other lags

A band is also moved to twice its lag, half of it and so on: where that costs nothing, the lags are interchangeable.
So the control of a band's weights is the same weight on as many other lags, and that of its values are the values of as
many other lags. Changed weights need one encoding of a window, replaced values one for each replaced context step.
"""

from dataclasses import replace

import numpy as np
import torch

from seqcast.attention.changed_weights import Effect, WeightChange, WeightChanges, change_weights
from seqcast.attention.replaced_inputs import InputEffects, replace_inputs
from seqcast.attention.verdict import SMALL_PART, BandEffect, Faithfulness, Ranking
from seqcast.errors import UsageError, option
from seqcast.evaluation.significance import FEWEST_UNITS
from seqcast.forecasting import Forecasting
from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.panel.panel import Panel
from seqcast.panel.seasonality import autocorrelation
from seqcast.results.lag_profile import LagBand, LagProfile, target_profile
from seqcast.results.origins import Origins, known_origins
from seqcast.run.load import TrainedModel

MOST_BANDS = 6
MULTIPLES = (2.0, 3.0, 0.5)
"""Multiples of the lag of a band that may be interchangeable with it."""
NUM_CONTROLS = 5
NUM_SHUFFLES = 19
"""Weights without meaning beat all shuffled ones once in 20 times."""
REMOVAL_WINDOWS = 192
WORTH_RANKING = 0.5
"""Smallest lift of a lag whose weight is compared with its effect; ranks of smaller weights are noise."""
FEWEST_RANKED = 8
"""Smallest number of such lags."""
_AT_ONCE = 64

Lags = tuple[int, int]
"""First and last lag of a band."""


def verify(model: TrainedModel, panel: Panel, windows: int) -> Faithfulness:
    """Test the attended lags at the newest `windows` origins of each series whose whole horizon has been observed.

    Raises:
        UsageError: The model has no attention.
        DataError: No series has an origin whose truth is known.
    """
    if not model.network.attends:
        raise UsageError(f"this run was trained with {option('attention', 'none')}, so there is nothing to verify.")
    model = model.as_validated
    origins = known_origins(panel, model.horizon, model.context, _held_out(model, windows))
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    tested = origins.spread(REMOVAL_WINDOWS)
    inputs = replace_inputs(forecasting, tested)
    profile = target_profile(_mean_weights(forecasting, tested), panel.frequency)
    bands = profile.bands()[:MOST_BANDS]
    controls = [_control_bands(profile, band, seed) for seed, band in enumerate(bands)]
    changes = _changes(bands, controls, model.horizon, model.context)
    found = change_weights(forecasting, tested, changes)
    effects, together, shuffles = _sorted(found, bands, controls, inputs, (model.horizon, model.context))
    return Faithfulness(
        judged=model.judged_lags,
        spread=found.spread,
        without=found.without,
        last_value=found.last_value,
        bands=effects,
        together=together,
        shuffled=_mean_effect(shuffles),
        shuffles_beaten=float(np.mean([effect.error_change > 0 for effect in shuffles])),
        ranking=rank_lags(profile.lift, inputs.forecast_change),
        num_windows=len(tested),
        repeats_after=next(iter(autocorrelation(panel).peaks()), None),
    )


def _held_out(model: TrainedModel, windows: int) -> int:
    """The number of newest origins of each series that training has not learned from, if they are enough for a test."""
    data = model.config.data
    held_out = ((data.validation_size or 0) + (data.test_size or 0)) // model.horizon
    return min(windows, held_out) if held_out >= FEWEST_UNITS else windows


def rank_lags(lift: FloatArray, effect: FloatArray) -> Ranking | None:
    """The rank correlation of lift and effect over the lags that are worth ranking; see `Faithfulness.ranking`.

    Args:
        lift: (L,) weight of each lag over equal weights.
        effect: (L,) change of the forecast without the value of the lag; NaN for a lag that no step reaches.
    """
    worthy = np.isfinite(effect) & (lift >= WORTH_RANKING)
    lift, effect = lift[worthy], effect[worthy]
    if len(lift) < FEWEST_RANKED or np.ptp(lift) < 1e-9 or np.ptp(effect) < 1e-12:
        return None
    from scipy.stats import spearmanr

    found = spearmanr(lift, effect)
    return Ranking(float(found.statistic), float(found.pvalue), len(lift))


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


def _changes(bands: tuple[LagBand, ...], controls: list[list[Lags]], horizon: int, context: int) -> list[WeightChange]:
    """For each band its removal, its moves to controls and to multiples; the removal of all bands; the shuffles."""
    outside = [_outside((band.first_lag, band.last_lag), horizon, context) for band in bands]
    changes = []
    for band, keep, others in zip(bands, outside, controls, strict=True):
        changes.append(WeightChange(keep=keep))
        places = [*(first for first, _ in others), *_multiples(band, horizon, context)]
        changes += [WeightChange(order=_exchange(band, first, horizon, context)) for first in places]
    changes.append(WeightChange(keep=np.logical_and.reduce([*outside, np.ones((horizon, context), bool)])))
    random = np.random.default_rng(0)
    shuffles = (random.permutation(context) for _ in range(NUM_SHUFFLES))
    return changes + [WeightChange(order=np.broadcast_to(order, (horizon, context)).copy()) for order in shuffles]


def _sorted(
    found: WeightChanges,
    bands: tuple[LagBand, ...],
    controls: list[list[Lags]],
    inputs: InputEffects,
    size: tuple[int, int],
) -> tuple[tuple[BandEffect, ...], Effect, list[Effect]]:
    """The effects of each band, of removing all, and of each shuffle; changes as from `_changes`, `size` (H, S)."""
    effects = iter([found.effect(number) for number in range(len(found.changes))])
    by_band = []
    for band, others in zip(bands, controls, strict=True):
        removed, moved = next(effects), _mean_effect([next(effects) for _ in others])
        multiples = {first: next(effects) for first in _multiples(band, *size)}
        cheap = SMALL_PART * moved.error_change
        by_band.append(
            BandEffect(
                first_lag=band.first_lag,
                last_lag=band.last_lag,
                peak_duration=band.peak_duration,
                share=band.share,
                removed=removed,
                moved=moved,
                replaced=inputs.of_band(band.first_lag, band.last_lag, found.spread),
                replaced_control=_mean_effect([inputs.of_band(*lags, found.spread) for lags in others]),
                equivalent=tuple(first for first, each in multiples.items() if each.error_change <= cheap),
            )
        )
    together, *shuffles = effects
    return tuple(by_band), together, shuffles


def _multiples(band: LagBand, horizon: int, context: int) -> list[int]:
    """The multiples of a single lag that some step of the context can have together with the lag itself."""
    if band.first_lag != band.last_lag:
        return []
    lags = [int(band.peak_lag * each) for each in MULTIPLES if (band.peak_lag * each).is_integer()]
    return [lag for lag in lags if abs(lag - band.peak_lag) < context and lag < context + horizon]


def _outside(band: Lags, horizon: int, context: int) -> BoolArray:
    """(H, S) True for context steps outside the band of lags before the forecast step."""
    lags = context - np.arange(context)[None, :] + np.arange(horizon)[:, None]
    return (lags < band[0]) | (lags > band[1])


def _exchange(band: LagBand, first: int, horizon: int, context: int) -> IntArray:
    """(H, S) order in which the band exchanges its weights with as many lags from `first` on.

    Lags are counted back from the forecast step. A pair of which one lies outside the context stays.
    """
    order = np.tile(np.arange(context), (horizon, 1))
    for step in range(horizon):
        own = context + step - np.arange(band.first_lag, band.last_lag + 1)
        other = own + band.first_lag - first
        inside = (own >= 0) & (own < context) & (other >= 0) & (other < context)
        order[step, own[inside]], order[step, other[inside]] = other[inside], own[inside]
    return order


def _control_bands(profile: LagProfile, band: LagBand, seed: int) -> list[Lags]:
    """Random bands of equal width that do not overlap an attended band."""
    width, num_lags = band.last_lag - band.first_lag + 1, len(profile.share)
    attended = np.zeros(num_lags + 1, bool)
    for other in profile.bands():
        attended[other.first_lag : other.last_lag + 1] = True
    free = [first for first in range(1, num_lags - width + 2) if not attended[first : first + width].any()]
    chosen = np.random.default_rng(seed).permutation(free)[:NUM_CONTROLS]
    return [(int(first), int(first) + width - 1) for first in chosen]


def _mean_effect(effects: list[Effect]) -> Effect:
    """The mean of the effects, with the largest p-value; no effect if there was no room for a control."""
    if not effects:
        return Effect(0.0, 0.0, 0.0)
    values = [(effect.forecast_change, effect.error_change, effect.usefulness) for effect in effects]
    p_values = [effect.p_value for effect in effects if effect.p_value is not None]
    return replace(Effect(*np.mean(values, axis=0).tolist()), p_value=max(p_values, default=None))
