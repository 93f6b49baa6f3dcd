"""Output heads: from attentional states to numbers in window-standardised units."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from seqcast.config import Loss
from seqcast.model.segments import Segments

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
    levels: tuple[float, ...] = ()
    """(L,) levels of the quantiles that follow from them, the median among them; empty where there are only points."""

    @classmethod
    def of(cls, loss: Loss, quantiles: tuple[float, ...]) -> Self:
        """One number per quantile; location, log-scale and log-freedom of a Student t; or one point."""
        match loss:
            case "quantile":
                return cls(len(quantiles), len(quantiles), quantiles.index(0.5), increasing=True, levels=quantiles)
            case "student-t":
                return cls(3, 1, 0, levels=quantiles)
            case _:
                return cls(1, 1, 0)

    @property
    def median(self) -> int:
        """Column of the point forecast among the quantiles."""
        return self.levels.index(0.5) if self.levels else 0

    def quantiles(self, values: Tensor) -> Tensor:
        """(..., L) quantiles that follow from the numbers (..., width); the points (..., 1) if there are no levels."""
        if self.increasing or not self.levels:
            return values
        from scipy.special import stdtrit

        location, scale, freedom = (part[..., None].cpu().double() for part in student_t_parameters(values))
        spread = torch.from_numpy(stdtrit(freedom.numpy(), np.array(self.levels)))
        return (location + scale * spread).to(values)

    def uncrossed(self, quantiles: Tensor) -> Tensor:
        """(..., L) the quantiles, each at least as far from the median as those between; the median stays."""
        columns = quantiles.unbind(dim=-1)
        falling = list(accumulate(columns[self.median :: -1], torch.minimum))
        rising = list(accumulate(columns[self.median :], torch.maximum))
        return torch.stack([*reversed(falling[1:]), *rising], dim=-1)


class CopyGate(nn.Module):
    """g_t = softplus(w_t . h~_i + v . g_t + b_t): how much of the attended values sum_s a_ts z_s enters step t.

    h~_i is the attentional state of the segment i that holds t, w_t belongs to the place of t in its segment, and g_t
    are the known inputs of the step. Above 1 the gate continues a movement away from the location of the window, as
    a non-negative linear forecast often must.
    """

    def __init__(self, hidden: int, segments: Segments, num_step_features: int = 0) -> None:
        super().__init__()
        self.segments = segments
        self.weight = nn.Linear(hidden, segments.length, bias=False)
        self.step_weight = nn.Linear(num_step_features, 1, bias=False) if num_step_features else None
        self.step_bias = nn.Parameter(torch.zeros(segments.horizon))
        nn.init.zeros_(self.weight.weight)
        if self.step_weight is not None:
            nn.init.zeros_(self.step_weight.weight)

    def forward(self, attentional: Tensor, first: int, future: Tensor) -> Tensor:
        """Gate (batch, steps) for attentional states (batch, segments, hidden) of segments `first` (from 0), ...

        `future` (batch, horizon, features) are g_t.
        """
        steps = self.segments.steps_of(first, first + attentional.shape[1] - 1)
        raw = self.weight(attentional).flatten(1)[:, : steps.stop - steps.start] + self.step_bias[steps]
        if self.step_weight is not None:
            raw = raw + self.step_weight(future[:, steps])[..., 0]
        return functional.softplus(raw)


class OutputHead(nn.Module):
    """Linear map of h~_i to every step of its segment plus a learned offset per step.

    It starts at zero, so the copied values speak first.
    """

    def __init__(self, hidden: int, segments: Segments, width: int) -> None:
        super().__init__()
        self.segments, self.width = segments, width
        self.linear = nn.Linear(hidden, segments.length * width, bias=False)
        self.step_bias = nn.Parameter(torch.zeros(segments.horizon, width))
        nn.init.zeros_(self.linear.weight)

    def forward(self, attentional: Tensor, first: int) -> Tensor:
        """Numbers (batch, steps, width) of attentional states (batch, segments, hidden) of segments `first`, ..."""
        steps = self.segments.steps_of(first, first + attentional.shape[1] - 1)
        output: Tensor = torch.unflatten(self.linear(attentional), -1, (-1, self.width)).flatten(1, 2)
        return output[:, : steps.stop - steps.start] + self.step_bias[steps]


def student_t_parameters(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Location, scale > 0 and degrees of freedom > 2 from unbounded numbers (..., 3)."""
    location, raw_scale, raw_freedom = values.unbind(dim=-1)
    return location, functional.softplus(raw_scale) + 1e-4, SMALLEST_FREEDOM + functional.softplus(raw_freedom + 2)
