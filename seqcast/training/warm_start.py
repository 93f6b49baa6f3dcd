"""A first guess of the attention from the data: what a non-negative linear forecast would look at.

For every forecast step t the training windows give the non-negative least-squares weights b_t of the standardised
context values on the standardised truth (Lawson and Hanson 1974, chapter 23). Softmax attention is non-negative too, so
log b_t is the natural start of the lag bias, sum b_t that of the copy gate, and the residuals that of the quantiles.
Training begins as a linear seasonal forecast whose attended lags are the lags that carry the series, instead of
finding them through the collinear states of an untrained encoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqcast.data.windows import PanelTensors, WindowRange
from seqcast.model.network import ForecastNetwork, Standardisation

MOST_WINDOWS = 16_384
MOST_RESIDUALS = 4_000_000
CHUNK = 1024
RIDGE = 1e-3
"""Added to the mean square of every lag, so that collinear lags share."""
PENALTY = 0.01
"""On the sum of the weights. Standardised windows sum to zero, so equal weights on all lags forecast nothing; the
penalty removes them, and the lags that only fit noise."""
ITERATIONS = 1000
FLOOR = 0.02
"""Attention left to lags without weight, together, so that training can still raise them."""

SMALLEST_GATE = 0.02
"""Start of the copy gate where the linear forecast copies nothing, so that training can still open it."""


@dataclass(frozen=True)
class LinearForecast:
    """Non-negative linear forecast of standardised windows."""

    weights: Tensor
    """(horizon, context) float64, not negative."""
    residual_quantiles: Tensor
    """(horizon, Q)"""


def fit_linear_forecast(
    tensors: PanelTensors, windows: WindowRange, context: int, horizon: int, quantiles: tuple[float, ...]
) -> LinearForecast:
    """Least-squares weights with b >= 0 of every forecast step, from evenly spread training windows."""
    at_most = min(MOST_WINDOWS, max(CHUNK, MOST_RESIDUALS // horizon))
    series, origins = (torch.from_numpy(part).to(tensors.target.device) for part in windows.spread(at_most))
    gram = torch.zeros(context, context, dtype=torch.float64)
    cross = torch.zeros(context, horizon, dtype=torch.float64)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    for first in range(0, len(series), CHUNK):
        batch = tensors.gather(series[first : first + CHUNK], origins[first : first + CHUNK], context, horizon)
        units = Standardisation.of(batch)
        past = units.apply(batch.context_target, batch.context_observed).cpu()
        future = units.apply(batch.future_target, batch.future_observed).cpu()
        gram += (past.T @ past).double()
        cross += (past.T @ future).double()
        pairs.append((past, future, batch.future_observed.cpu()))
    weights = _non_negative_least_squares(gram / len(series), cross / len(series) - PENALTY).T.contiguous()
    residuals = [torch.where(seen, future - past @ weights.T.float(), torch.nan) for past, future, seen in pairs]
    levels = torch.tensor(quantiles)
    by_level = torch.nanquantile(torch.cat(residuals), levels, dim=0).T  # (horizon, Q)
    return LinearForecast(weights, torch.nan_to_num(by_level))


def _non_negative_least_squares(gram: Tensor, cross: Tensor) -> Tensor:
    """Argmin over B >= 0 of tr(B' G B) / 2 - tr(B' C), by accelerated projected gradient (Beck and Teboulle 2009)."""
    gram = gram + RIDGE * torch.eye(len(gram), dtype=gram.dtype)
    step = 1 / torch.linalg.matrix_norm(gram, 2)
    current = ahead = torch.zeros_like(cross)
    momentum = 1.0
    for _ in range(ITERATIONS):
        following = (ahead - step * (gram @ ahead - cross)).clamp(min=0)
        next_momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = following + (momentum - 1) / next_momentum * (following - current)
        current, momentum = following, next_momentum
    return current


@torch.no_grad()
def apply_warm_start(network: ForecastNetwork, linear: LinearForecast) -> None:
    """Set lag bias, copy gate and step offsets of an untrained network to say what the linear forecast says."""
    decoder = network.decoder
    attention = decoder.attention
    if attention is None or attention.lag_bias is None:
        return
    total = linear.weights.sum(dim=1, keepdim=True)
    share = linear.weights / total.clamp(min=1e-6)
    attention.score.start_silent()
    attention.lag_bias.copy_(torch.log((1 - FLOOR) * share + FLOOR / share.shape[1]))
    if decoder.copy_gate is None:
        return
    decoder.copy_gate.step_bias.copy_(torch.log(torch.expm1(total[:, 0].clamp(min=SMALLEST_GATE))))
    if network.layout.increasing:
        decoder.head.step_bias.copy_(linear.residual_quantiles)
