"""Naive forecasts of a window, which look at one value of its context or at its mean.

    naive            y_n
    seasonal_naive   y_{n + t - k m}, the newest value a whole number k of seasons m before step t
    drift            y_n + t (y_n - y_first) / (n - first), with the first value of the context
    mean             the mean of the context

Formulas as in Hyndman and Athanasopoulos (2021), Forecasting: principles and practice, section 5.2. Missing values are
skipped: the newest value is the newest observed one, also among those of one phase of the season. For a phase that was
never observed, the seasonal naive forecast is the newest value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqcast.config import NAIVE_FORECASTS, NaiveForecast
from seqcast.model.heads import OutputLayout
from seqcast.model.shape import NetworkShape


@dataclass(frozen=True)
class SeenContext:
    """The context of B windows, as naive forecasts see it."""

    values: Tensor
    """(batch, context) standardised, 0 where not observed."""
    observed: Tensor
    """(batch, context)"""
    keep: Tensor | None = None
    """(horizon, context) True for the weights in use; None: all of them."""
    order: Tensor | None = None
    """(horizon, context) order in which the weights of each step are dealt out; None: their own."""

    def keeping(self, keep: Tensor) -> SeenContext:
        """The same with only the weights of `keep` in use; see `Memory.keep`."""
        return replace(self, keep=keep)

    def reordered(self, order: Tensor) -> SeenContext:
        """The same with weights dealt out in another order; see `Memory.order`."""
        return replace(self, order=order)


class NaiveForecasts(nn.Module):
    """K naive forecasts, in the order of `NAIVE_FORECASTS`, each with offsets that make quantiles of its points."""

    offsets: Tensor
    """(K, horizon, width) what is added to the points; 0 for the point itself."""

    def __init__(self, shape: NetworkShape, layout: OutputLayout) -> None:
        super().__init__()
        self.shape, self.layout = shape, layout
        self.register_buffer("offsets", torch.zeros(len(NAIVE_FORECASTS), shape.horizon, layout.width))

    def forward(self, name: NaiveForecast, seen: SeenContext) -> Tensor:
        """(batch, horizon, width) forecast in window-standardised units."""
        points = self.points(name, seen)[..., None]
        values = self.offsets[NAIVE_FORECASTS.index(name)].expand(points.shape[0], -1, -1)
        num_copied = self.layout.num_copied
        return torch.cat([values[..., :num_copied] + points, values[..., num_copied:]], dim=-1)

    def points(self, name: NaiveForecast, seen: SeenContext) -> Tensor:
        """(batch, horizon) point forecast."""
        if name == "mean" or seen.keep is not None or seen.order is not None:
            points = torch.bmm(self.weights(name, seen), seen.values[..., None])[..., 0]
        else:
            points = seen.values.gather(1, self._positions(name, seen.observed))
        return points + self._trend(seen) if name == "drift" else points

    def weights(self, name: NaiveForecast, seen: SeenContext) -> Tensor:
        """(batch, horizon, context) weights of the context values; those of the drift are on the newest value alone."""
        context = seen.observed.shape[1]
        if name == "mean":
            shares = seen.observed / seen.observed.sum(dim=1, keepdim=True).clamp(min=1)
            weights = shares[:, None].expand(-1, self.shape.horizon, -1)
        else:
            weights = functional.one_hot(self._positions(name, seen.observed), context)
        weights = weights.float() * seen.observed[:, None]
        if seen.order is not None:
            weights = weights.gather(-1, seen.order.expand_as(weights))
        if seen.keep is not None:
            weights = weights * seen.keep
            weights = weights / weights.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
        return weights

    def _positions(self, name: NaiveForecast, observed: Tensor) -> Tensor:
        """(batch, horizon) position of the value that each step looks at."""
        context, horizon = observed.shape[1], self.shape.horizon
        order = torch.arange(1, context + 1, device=observed.device)
        newest = (observed * order).argmax(dim=1)[:, None]
        if name != "seasonal_naive":
            return newest.expand(-1, horizon)
        season = self.shape.season
        step = torch.arange(horizon, device=observed.device)
        at_phase = []
        for phase in range(min(season, horizon)):
            same = (context + phase - order + 1) % season == 0
            found, position = (observed * same * order).max(dim=1)
            at_phase.append(torch.where(found > 0, position, newest[:, 0]))
        return torch.stack(at_phase, dim=1)[:, step % season]

    def _trend(self, seen: SeenContext) -> Tensor:
        """(batch, horizon) change by each step if the context goes on as it went between its ends."""
        context = seen.observed.shape[1]
        order = torch.arange(1, context + 1, device=seen.observed.device)
        last = (seen.observed * order).argmax(dim=1, keepdim=True)
        first = (seen.observed * order.flip(0)).argmax(dim=1, keepdim=True)
        slope = (seen.values.gather(1, last) - seen.values.gather(1, first)) / (last - first).clamp(min=1)
        return slope * torch.arange(1, self.shape.horizon + 1, device=slope.device)
