"""Losses on window-standardised values; missing targets do not count."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from seqcast.config import Loss
from seqcast.model.heads import student_t_parameters

SMALLEST_NAIVE_ERROR = 0.1
"""Term added to the naive error of a window, in standard deviations of its series, so that a window without noise does
not outweigh all others."""
RELATIVE_WEIGHT = 5.0
"""Weight of the error as a part of the value that is expected, beside that in units of the seasonal naive error. Both
count alike where the seasonal naive forecast misses by a quarter of the value."""


def step_weights(values: Tensor, observed: Tensor, scale: Tensor, season: int, least: Tensor, horizon: int) -> Tensor:
    """Weights (batch, horizon) = 1 / e + 5 / (f_t + e), e = mean |y_s - y_{s-m}| + 0.1 / scale, m the season.

    Both terms make series comparable: without them the noisiest ones rule the loss, and regular ones, which could be
    forecast well, are neglected. The first counts an error in units of the seasonal naive one, as MASE does; the second
    as a part of the value that is to be expected, the seasonal naive forecast f_t, as sMAPE does (Hyndman and Koehler
    2006). Values are counted from zero, so there is no second term where they may be negative. The weights know the
    context alone, so that they move no quantile.

    Args:
        values: (batch, context) standardised context.
        observed: (batch, context) True where it was observed.
        scale: (batch, 1) of the standardisation, in series-scaled units: that of a flat window is small.
        season: Steps; 1 is used where the context is no longer than it.
        least: (batch, 1) standardised zero of series without negative values, else -inf.
        horizon: Forecast steps.
    """
    context = values.shape[1]
    lag = season if season < context else 1
    both = observed[:, lag:] & observed[:, :-lag]
    change = (values[:, lag:] - values[:, :-lag]).abs() * both
    naive_error = change.sum(dim=1, keepdim=True) / both.sum(dim=1, keepdim=True).clamp(min=1)
    naive_error = naive_error + SMALLEST_NAIVE_ERROR / scale
    mean = values.sum(dim=1, keepdim=True) / observed.sum(dim=1, keepdim=True).clamp(min=1)
    newest = context - lag + torch.arange(horizon, device=values.device) % lag
    expected = torch.where(observed[:, newest], values[:, newest], mean) - least
    return 1 / naive_error + RELATIVE_WEIGHT / (expected.clamp(min=0).float() + naive_error)


def loss_sums(
    loss: Loss, values: Tensor, target: Tensor, observed: Tensor, quantiles: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Returns each window's weighted loss summed over observed steps, and the sum of the weights; both (batch,).

    Args:
        loss: Which loss.
        values: (batch, horizon, width) network output.
        target: (batch, horizon) standardised truth.
        observed: (batch, horizon) True where the truth is known.
        quantiles: (Q,) levels of the quantile head.
        weights: (batch, horizon) how much each step counts; None: all alike.
    """
    point = values[..., 0]
    match loss:
        case "quantile":
            each = pinball(values, target[..., None], quantiles).mean(dim=-1)
        case "mae":
            each = (point - target).abs()
        case "mse":
            each = (point - target) ** 2
        case "huber":
            each = functional.huber_loss(point, target, reduction="none")
        case "student-t":
            each = -student_t_log_density(values, target)
    counted = observed if weights is None else weights * observed
    return (torch.where(observed, each, 0.0) * counted).sum(dim=1), counted.sum(dim=1)


def pinball(forecast: Tensor, target: Tensor, levels: Tensor) -> Tensor:
    """2 max(q (y - f), (q - 1)(y - f)) (Koenker and Bassett 1978); doubled, so the median has the absolute error."""
    error = target - forecast
    return 2 * torch.maximum(levels * error, (levels - 1) * error)


def student_t_log_density(values: Tensor, target: Tensor) -> Tensor:
    """Log p(y) of a Student t with location, log-scale and freedom in the last axis of `values` (batch, horizon, 3)."""
    location, scale, freedom = student_t_parameters(values)
    squared = ((target - location) / scale) ** 2
    normaliser = torch.lgamma((freedom + 1) / 2) - torch.lgamma(freedom / 2) - 0.5 * torch.log(freedom * math.pi)
    return normaliser - torch.log(scale) - (freedom + 1) / 2 * torch.log1p(squared / freedom)
