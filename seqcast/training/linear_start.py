"""A robust non-negative linear forecast of standardised windows: what training starts from.

For every forecast step t the training windows give the non-negative least-squares weights b_t of the context values on
the truth (Lawson and Hanson 1974, chapter 23). A ridge and a penalty keep them from fitting noise. Both shrink with the
noise that the fit itself finds, as in the scaled lasso (Sun and Zhang 2012), so that regular series are not shrunk. Two
things make the fit hold where series drift:

- Windows are weighted once more by the inverse of their own error, so that a few wild ones do not rule the fit
  (iteratively reweighted least squares, here per window; Holland and Welsch 1977).
- It is combined with the best of the naive forecasts (last value, seasonal naive), by the largest share that costs
  nothing in blocked cross-validation (Bates and Granger 1969; Bergmeir and Benitez 2012).

The drift that the windows had in common, the median of what the weights leave over, is no part of the forecast: it
seldom goes on. A network whose quantiles are trained begins with it all the same, and learns how far it does.

Attention is non-negative too, so the scores that give the weights b_t (their logarithm for softmax) are the natural
start of the lag bias, sum b_t that of the copy gate, and the residuals that of the quantiles. Training begins as a
linear seasonal forecast whose attended lags are the lags that carry the series, instead of finding them through the
collinear states of an untrained encoder.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from seqcast.config import Location
from seqcast.model.ensemble import least_value
from seqcast.model.network import ForecastNetwork, Standardisation
from seqcast.panel.arrays import IntArray, evenly_spread
from seqcast.tensors.windows import PanelTensors, WindowRange
from seqcast.training.losses import step_weights
from seqcast.training.non_negative import non_negative_least_squares

MOST_WINDOWS = 16_384
MOST_VALUES = 8_000_000
"""Most values of all sampled windows together. It bounds memory for long contexts and horizons."""
MOST_LAGS = 2048
"""Newest context positions the fit looks at; older ones get no weight."""
FEWEST_SAMPLED = 64
"""Fewest sampled windows, however long they are."""
CHUNK = 1024
USUAL_NOISE = 0.2
"""Mean absolute residual of standardised windows at which the ridge, the penalty and the floor have their full size."""
SMALLEST_NOISE = 1e-3
"""Least noise, as a part of the usual one, that they shrink with."""
MOST_FITS = 4
"""Most fits until noise and weights agree."""
STEADY = 0.8
"""Part of the noise of the fit before at which they agree."""
SMALLEST_ERROR = 0.05
"""Term added to the error of a window before it weighs, so that a perfect window does not weigh infinitely much."""

NUM_BLOCKS = 5
BLOCK_STEPS = 16
"""Forecast steps that cross-validation looks at, evenly spread."""
FEWEST_WINDOWS = 20
"""Fewest windows to cross-validate on; with fewer, the share is `USUAL_SHARE`."""
MOST_TOGETHER = 1_000_000
"""Most second moments of fits that are made together."""
USUAL_SHARE = 0.25
NAIVE_SHARES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
TOLERANCE = 0.005
"""Part of the cross-validated error that a larger share of the naive forecast may cost."""

FLOOR = 0.02
"""Attention left to lags without weight, together, at the usual noise, so that training can still raise them."""
SMALLEST_GATE = 0.02
"""Start of the copy gate where the linear forecast copies nothing, so that training can still open it."""


@dataclass(frozen=True)
class LinearForecast:
    """Non-negative linear forecast of standardised windows."""

    weights: Tensor
    """(horizon, context) float64, not negative."""
    residual_quantiles: Tensor
    """(horizon, Q) around the drift, widened by what cross-validation found the fit to be too sure of itself."""
    drift: Tensor
    """(horizon,) median residual."""
    fitted: Tensor
    """(lags, horizon) float64, of the newest context positions alone and without the naive forecast."""
    naive_season: int
    """Season of the naive forecast in the combination; 1: the last value."""
    naive_share: float
    widening: float
    """Factor by which residuals grow on windows that the fit has not seen, at least 1."""
    error: float
    """Cross-validated mean absolute error, weighted as the loss; it compares locations, as the scale is the same."""
    noise: Tensor
    """(horizon,) noise of each step as a part of the usual noise, from `SMALLEST_NOISE` to 1."""


@dataclass(frozen=True)
class _Sample:
    """Standardised training windows."""

    past: Tensor
    """(windows, lags)"""
    future: Tensor
    """(windows, horizon)"""
    seen: Tensor
    """(windows, horizon) True where the truth is known."""
    weights: Tensor
    """(windows, 1) mean of those in the loss, so that all steps share their moments."""
    block: IntArray
    """(windows,) which stretch of its series a window lies in, 0 to NUM_BLOCKS - 1; where a series has fewer windows
    than stretches, all of them are in one, and such series are dealt out."""

    def error(self, forecasts: Tensor, rows: Tensor, steps: Tensor) -> Tensor:
        """Weighted absolute error of each of the forecasts (..., rows, steps), summed over rows and steps."""
        missed = (self.future[rows][:, steps] - forecasts).abs()
        total: Tensor = (missed * (self.seen[rows][:, steps] * self.weights[rows])).sum(dim=(-2, -1))
        return total

    def total_weight(self, steps: Tensor) -> Tensor:
        """Sum of the weights of all known truths at these steps."""
        total: Tensor = (self.seen[:, steps] * self.weights).sum().clamp(min=1e-9)
        return total

    @property
    def has_truth(self) -> Tensor:
        """(windows, 1) True where any step of the truth is known."""
        return self.seen.any(dim=1, keepdim=True)

    def importance(self, weights: Tensor) -> Tensor:
        """(windows, 1) weight in the loss over the mean absolute error, of weights (lags, horizon), in each window."""
        missed = (self.future - self.past @ weights.float()).abs() * self.seen
        mean = missed.sum(dim=1, keepdim=True) / self.seen.sum(dim=1, keepdim=True).clamp(min=1)
        return self.weights * self.has_truth / (mean + SMALLEST_ERROR)

    def noise(self, weights: Tensor, importance: Tensor) -> Tensor:
        """(horizon,) mean absolute residual of weights (lags, horizon); see `LinearForecast.noise`."""
        counted = self.seen * importance
        missed = ((self.future - self.past @ weights.float()).abs() * counted).sum(dim=0)
        mean = missed.double() / counted.sum(dim=0).clamp(min=1e-9)
        return (mean / USUAL_NOISE).clamp(min=SMALLEST_NOISE, max=1.0)


@dataclass(frozen=True)
class _Combination:
    """The fields of a `LinearForecast` that cross-validation finds."""

    naive_season: int
    naive_share: float
    widening: float
    error: float


@dataclass(frozen=True)
class LinearSettings:
    """The forecast that is asked for."""

    context: int
    """Steps of a window before its origin."""
    horizon: int
    """Steps after it."""
    quantiles: tuple[float, ...]
    """Levels of the residual quantiles."""
    seasons: tuple[int, ...]
    """Seasons whose naive forecasts are candidates, shortest first."""
    location: Location
    """Zero of the units of a window."""

    @property
    def main_season(self) -> int:
        return self.seasons[0] if self.seasons else 1


def fit_linear_forecast(tensors: PanelTensors, windows: WindowRange, settings: LinearSettings) -> LinearForecast:
    """The combined forecast, from evenly spread windows.

    Args:
        tensors: The scaled panel.
        windows: Those that may be learned from.
        settings: Sizes, units and candidates.
    """
    sample = _draw_sample(tensors, windows, settings)
    horizon, lags = settings.horizon, sample.past.shape[1]
    everything, every_step = torch.arange(len(sample.past)), torch.arange(horizon)
    gram, cross = _moments(sample, sample.has_truth.float(), everything)
    usual = torch.ones(horizon, dtype=torch.float64)
    nothing = torch.zeros(lags, horizon, dtype=torch.float64)
    (plain,) = non_negative_least_squares(gram[None], cross[None], nothing, usual)
    importance = sample.importance(plain)
    fitted, noise = _fit_to_noise(sample, importance, plain)

    naives = {season: _naive_weights(season, lags, horizon) for season in (1, *settings.seasons) if season <= lags}
    errors = {season: sample.error(sample.past @ b.float(), everything, every_step) for season, b in naives.items()}
    season = min(errors, key=lambda each: float(errors[each]))
    share, widening, error = _cross_validate(sample, importance, fitted, naives[season], noise)
    return _combined(sample, settings, fitted, noise, _Combination(season, share, widening, error))


def refit_linear_forecast(
    tensors: PanelTensors, windows: WindowRange, settings: LinearSettings, earlier: LinearForecast
) -> LinearForecast:
    """The combined forecast of almost the same windows, several times as fast.

    The fit begins with the weights of the earlier one, and what cross-validation found there stays.

    Args:
        tensors: As for `fit_linear_forecast`.
        windows: As for `fit_linear_forecast`.
        settings: Those of the earlier fit.
        earlier: The fit of the other windows.
    """
    sample = _draw_sample(tensors, windows, settings)
    fitted, noise = _fit_to_noise(sample, sample.importance(earlier.fitted), earlier.fitted)
    found = _Combination(earlier.naive_season, earlier.naive_share, earlier.widening, earlier.error)
    return _combined(sample, settings, fitted, noise, found)


@torch.no_grad()
def apply_linear_start(network: ForecastNetwork, linear: LinearForecast) -> None:
    """Set lag bias, copy gate and step offsets of an untrained network so that it makes the linear forecast."""
    decoder = network.decoder
    attention = decoder.attention
    if attention is None or attention.lag_bias is None:
        return
    total = linear.weights.sum(dim=1, keepdim=True)
    share = linear.weights / total.clamp(min=1e-6)
    floor = FLOOR * linear.noise[:, None]
    attention.start_at((1 - floor) * share + floor / share.shape[1])
    if decoder.copy_gate is None:
        return
    decoder.copy_gate.step_bias.copy_(torch.log(torch.expm1(total[:, 0].clamp(min=SMALLEST_GATE))))
    if network.layout.increasing:
        decoder.head.step_bias.copy_(linear.residual_quantiles)


def _draw_sample(tensors: PanelTensors, windows: WindowRange, settings: LinearSettings) -> _Sample:
    context, horizon, season = settings.context, settings.horizon, settings.main_season
    at_most = min(MOST_WINDOWS, max(FEWEST_SAMPLED, MOST_VALUES // (context + horizon)))
    series, origins = windows.spread(at_most)
    reach = windows.last[series] - windows.first[series] + 1
    stretch = (origins - windows.first[series]) * NUM_BLOCKS // np.maximum(reach, 1)
    block = np.where(reach < NUM_BLOCKS, series % NUM_BLOCKS, stretch)
    lags = min(context, MOST_LAGS)
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for first in range(0, len(series), CHUNK):
        part = slice(first, first + CHUNK)
        batch = tensors.gather(tensors.index(series[part]), tensors.index(origins[part]), context, horizon)
        units = Standardisation.of(batch, settings.location, season)
        past = units.apply(batch.context_target, batch.context_observed)
        future = units.apply(batch.future_target, batch.future_observed)
        least = least_value(batch, units)
        by_step = step_weights(past, batch.context_observed, units.scale, season, least, horizon)
        weights = by_step.mean(dim=1, keepdim=True)
        parts.append((past[:, context - lags :].cpu(), future.cpu(), batch.future_observed.cpu(), weights.cpu()))
    past, future, seen, weights = (torch.cat(column) for column in zip(*parts, strict=True))
    return _Sample(past, future, seen, weights, block)


def _combined(
    sample: _Sample, settings: LinearSettings, fitted: Tensor, noise: Tensor, found: _Combination
) -> LinearForecast:
    """The fit together with its naive forecast, its drift and its residual quantiles."""
    lags, horizon = fitted.shape
    share = found.naive_share
    weights = (1 - share) * fitted + share * _naive_weights(found.naive_season, lags, horizon)
    padded = torch.zeros(horizon, settings.context, dtype=torch.float64)
    padded[:, settings.context - lags :] = weights.T
    left_over = _residual_quantiles(sample, weights, (0.5, *settings.quantiles))
    drift, spread = left_over[:, :1], found.widening * (left_over[:, 1:] - left_over[:, :1])
    return LinearForecast(
        weights=padded,
        residual_quantiles=spread,
        drift=drift[:, 0],
        fitted=fitted,
        noise=noise,
        **asdict(found),
    )


def _residual_quantiles(sample: _Sample, weights: Tensor, quantiles: tuple[float, ...]) -> Tensor:
    """(horizon, Q) of what the weights leave over; zeros at a step that was never observed."""
    hidden = ~sample.seen & sample.seen.any(dim=0)
    residuals = (sample.future - sample.past @ weights.float()) * sample.seen
    by_level = np.nanquantile(residuals.masked_fill(hidden, torch.nan).numpy(), quantiles, axis=0)
    return torch.from_numpy(by_level.T).float()


def _moments(sample: _Sample, importance: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted second moments (lags, lags) and cross moments (lags, horizon) of the given windows.

    Where truths are missing, the cross moments are those of the windows that have one.
    """
    share = importance[rows] / importance[rows].sum().clamp(min=1e-9)
    known = (sample.seen[rows] * share).sum(dim=0).clamp(min=1e-6)  # (horizon,)
    past = sample.past[rows]
    return (past.T @ (past * share)).double(), (past.T @ (sample.future[rows] * share) / known).double()


def _naive_weights(season: int, lags: int, horizon: int) -> Tensor:
    """(lags, horizon) one at the newest value a whole number of seasons before each step."""
    steps = torch.arange(1, horizon + 1)
    back = season * torch.div(steps + season - 1, season, rounding_mode="floor") - steps + 1
    weights = torch.zeros(lags, horizon, dtype=torch.float64)
    weights[lags - back, steps - 1] = 1
    return weights


def _fit_to_noise(sample: _Sample, importance: Tensor, plain: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (lags, horizon), from those of the plain fit on, and the noise (horizon,) that they were fitted for.

    A smaller penalty leaves smaller residuals, so both are fitted in turns until the noise stays.
    """
    gram, cross = _moments(sample, importance, torch.arange(len(sample.past)))
    noise = sample.noise(plain, importance)
    (fitted,) = non_negative_least_squares(gram[None], cross[None], plain, noise)
    for _ in range(MOST_FITS - 1):
        left = sample.noise(fitted, importance)
        if bool((left > STEADY * noise).all()):
            break
        noise = torch.minimum(left, noise)
        (fitted,) = non_negative_least_squares(gram[None], cross[None], fitted, noise)
    return fitted, noise


def _cross_validate(
    sample: _Sample, importance: Tensor, fitted: Tensor, naive: Tensor, noise: Tensor
) -> tuple[float, float, float]:
    """Cross-validate over stretches of time.

    Returns the share of the naive forecast, the factor by which residuals grow on windows that the fit has not seen,
    and the error there. Where windows are too few, the factor is 1 and the error that of the fit.
    """
    blocks = np.unique(sample.block)
    if len(sample.past) < FEWEST_WINDOWS or len(blocks) < 2:
        weights = (1 - USUAL_SHARE) * fitted + USUAL_SHARE * naive
        everything, every_step = torch.arange(len(sample.past)), torch.arange(fitted.shape[1])
        error = sample.error(sample.past @ weights.float(), everything, every_step) / sample.total_weight(every_step)
        return USUAL_SHARE, 1.0, float(error)
    horizon = fitted.shape[1]
    steps = torch.from_numpy(evenly_spread(horizon, BLOCK_STEPS))
    errors, seen = torch.zeros(2, len(NAIVE_SHARES))
    shares = torch.tensor(NAIVE_SHARES)[:, None, None]
    for block, without in _fits_without(sample, importance, fitted[:, steps], steps, noise[steps]):
        inside = torch.from_numpy(np.flatnonzero(sample.block == block))
        past = sample.past[inside]
        simple = past @ naive[:, steps].float()
        strange, familiar = past @ without.float(), past @ fitted[:, steps].float()
        errors += sample.error((1 - shares) * strange + shares * simple, inside, steps)
        seen += sample.error((1 - shares) * familiar + shares * simple, inside, steps)
    best = int(torch.nonzero(errors <= (1 + TOLERANCE) * errors.min()).max())
    widening = max(1.0, float(errors[best] / seen[best].clamp(min=1e-9)))
    return NAIVE_SHARES[best], widening, float(errors[best] / sample.total_weight(steps))


def _fits_without(
    sample: _Sample, importance: Tensor, start: Tensor, steps: Tensor, noise: Tensor
) -> Iterator[tuple[int, Tensor]]:
    """Each stretch of time, and the weights (lags, steps) fitted without it; small fits are made together."""
    blocks = np.unique(sample.block)
    together = max(1, MOST_TOGETHER // len(start) ** 2)
    for first in range(0, len(blocks), together):
        part = blocks[first : first + together]
        outsides = [torch.from_numpy(np.flatnonzero(sample.block != block)) for block in part]
        moments = [_moments(sample, importance, outside) for outside in outsides]
        gram, cross = (torch.stack(each) for each in zip(*moments, strict=True))
        yield from zip(part, non_negative_least_squares(gram, cross[..., steps], start, noise), strict=True)
