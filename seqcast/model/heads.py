"""Output heads: from attentional states to numbers in window-standardised units."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqcast.config import Loss

SMALLEST_FREEDOM = 2.0
"""A Student t needs more than two degrees of freedom to have a variance."""


@dataclass(frozen=True)
class OutputLayout:
    """What the numbers of one forecast step are."""

    width: int
    """How many there are."""
    num_copied: int
    """How many of them, from the first, are locations: attended values are added to these."""
    point_index: int
    """Which one is the point forecast."""
    increasing: bool = False
    """Whether they are quantiles, which must not cross."""

    @classmethod
    def of(cls, loss: Loss, quantiles: tuple[float, ...]) -> OutputLayout:
        """One number per quantile; location, log-scale and log-freedom of a Student t; or one point."""
        match loss:
            case "quantile":
                return cls(len(quantiles), len(quantiles), quantiles.index(0.5), increasing=True)
            case "student-t":
                return cls(3, 1, 0)
            case _:
                return cls(1, 1, 0)

    def uncrossed(self, quantiles: Tensor) -> Tensor:
        """(..., width) the quantiles, each at least as far from the median as those between; the median stays."""
        below, above = quantiles[..., : self.point_index + 1], quantiles[..., self.point_index :]
        falling = below.flip(-1).cummin(dim=-1).values.flip(-1)
        return torch.cat([falling[..., :-1], above.cummax(dim=-1).values], dim=-1)


class CopyGate(nn.Module):
    """g_t = softplus(w . h~_t + b_t): how much of the attended values sum_s a_ts y_s enters the output of step t.

    Above 1 it continues a movement away from the mean of the window, as a non-negative linear forecast often must.
    """

    def __init__(self, hidden: int, horizon: int) -> None:
        super().__init__()
        self.weight = nn.Linear(hidden, 1, bias=False)
        self.step_bias = nn.Parameter(torch.zeros(horizon))
        nn.init.zeros_(self.weight.weight)

    def forward(self, attentional: Tensor, first_step: int) -> Tensor:
        """Gate (batch, horizon, 1) for attentional states (batch, horizon, hidden)."""
        bias = self.step_bias[first_step - 1 : first_step - 1 + attentional.shape[1]]
        return functional.softplus(self.weight(attentional) + bias[:, None])


class OutputHead(nn.Module):
    """Linear map of h~_t plus a learned offset per step; starts at zero, so the copied values speak first."""

    def __init__(self, hidden: int, horizon: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, width, bias=False)
        self.step_bias = nn.Parameter(torch.zeros(horizon, width))
        nn.init.zeros_(self.linear.weight)

    def forward(self, attentional: Tensor, first_step: int) -> Tensor:
        """Numbers (batch, horizon, width) of attentional states (batch, horizon, hidden)."""
        output: Tensor = self.linear(attentional)
        return output + self.step_bias[first_step - 1 : first_step - 1 + attentional.shape[1]]


def student_t_parameters(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Location, scale > 0 and degrees of freedom > 2 from unbounded numbers (..., 3)."""
    location, raw_scale, raw_freedom = values.unbind(dim=-1)
    return location, functional.softplus(raw_scale) + 1e-4, SMALLEST_FREEDOM + functional.softplus(raw_freedom + 2)
