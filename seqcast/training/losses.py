"""Losses on window-standardised values; missing targets count nothing."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from seqcast.config import Loss
from seqcast.model.heads import student_t_parameters


def forecast_loss(loss: Loss, values: Tensor, target: Tensor, observed: Tensor, quantiles: Tensor) -> Tensor:
    """Mean loss over observed steps.

    Args:
        loss: Which loss.
        values: (batch, horizon, width) network output.
        target: (batch, horizon) standardised truth.
        observed: (batch, horizon) True where the truth is known.
        quantiles: (Q,) levels of the quantile head.
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
    return torch.where(observed, each, 0.0).sum() / observed.sum().clamp(min=1)


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
