"""Segments: context and horizon cut into stretches of W steps, so that recurrence takes one step per stretch.

Segment-wise recurrence follows SegRNN (Lin et al. 2023, arXiv 2308.11200). Attention stays per step; see
`model.attention`. With W = 1 a segment is a step, and the network is the step-wise one as published.

Dimension names in shape comments: batch, context (C), horizon (H), past segments (n = ceil(C / W)), future segments
(m = ceil(H / W)).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_PERIODS = 16
SHORTEST_PERIOD = 2.5
"""Steps. Shorter ones would tell even steps from odd ones and little else."""


@dataclass(frozen=True)
class Segments:
    """The cut of one network: the context is padded at its old end, the horizon at its far end."""

    length: int
    """Steps of a segment (W)."""
    context: int
    horizon: int

    @property
    def num_past(self) -> int:
        """Segments of the context (n)."""
        return -(-self.context // self.length)

    @property
    def num_future(self) -> int:
        """Segments of the horizon (m)."""
        return -(-self.horizon // self.length)

    def fold_context(self, steps: Tensor) -> Tensor:
        """(batch, context, features) to (batch, n, W * features)."""
        return self._fold(steps, self.num_past, self.num_past * self.length - self.context, 0)

    def fold_horizon(self, steps: Tensor) -> Tensor:
        """(batch, horizon, features) to (batch, m, W * features)."""
        return self._fold(steps, self.num_future, 0, self.num_future * self.length - self.horizon)

    def _fold(self, steps: Tensor, num_segments: int, before: int, after: int) -> Tensor:
        if self.length == 1:
            return steps
        padded = functional.pad(steps, (0, 0, before, after))
        return padded.reshape(padded.shape[0], num_segments, self.length * padded.shape[2])

    def repeat_over_context(self, states: Tensor) -> Tensor:
        """States (batch, n, hidden) of segments, repeated for each of their steps: (batch, context, hidden)."""
        if self.length == 1:
            return states
        return states.repeat_interleave(self.length, dim=1)[:, -self.context :]

    def repeat_columns(self, rows: Tensor) -> Tensor:
        """Columns (batch, rows, n) of segments, repeated for each of their steps: (batch, rows, context)."""
        if self.length == 1:
            return rows
        repeated = rows[..., None].expand(-1, -1, -1, self.length).flatten(2)
        return repeated[..., -self.context :]

    def sum_over_context(self, weights: Tensor) -> Tensor:
        """Weights (batch, rows, context) of steps, summed within each segment: (batch, rows, n)."""
        if self.length == 1:
            return weights
        padded = functional.pad(weights, (self.num_past * self.length - self.context, 0))
        return torch.unflatten(padded, -1, (self.num_past, self.length)).sum(dim=-1)

    def split_context(self, rows: Tensor) -> Tensor:
        """Rows (batch, rows, context) of steps, cut into segments: (batch, n, rows, W)."""
        padded = functional.pad(rows, (self.num_past * self.length - self.context, 0))
        return torch.unflatten(padded, -1, (self.num_past, self.length)).transpose(1, 2)

    def steps_of(self, first: int, last: int) -> slice:
        """Forecast steps, numbered from 0, of the segments `first` to `last` (numbered from 0, inclusive)."""
        return slice(first * self.length, min((last + 1) * self.length, self.horizon))

    def repeat_over_horizon(self, rows: Tensor, num_steps: int) -> Tensor:
        """Rows (batch, segments, ...) of future segments, repeated for their `num_steps` steps."""
        return rows if self.length == 1 else rows.repeat_interleave(self.length, dim=1)[:, :num_steps]

    def mean_over_horizon(self, rows: Tensor) -> Tensor:
        """Rows (batch, steps, columns) of forecast steps, averaged within each segment: (batch, segments, columns)."""
        if self.length == 1:
            return rows
        whole = rows.shape[1] // self.length * self.length
        parts = [torch.unflatten(rows[:, :whole], 1, (-1, self.length)).mean(dim=2)]
        if whole < rows.shape[1]:
            parts.append(rows[:, whole:].mean(dim=1, keepdim=True))
        return torch.cat(parts, dim=1)


class SegmentEmbedding(nn.Module):
    """u_j = ReLU(W_e z_j): the inputs of one segment as one vector (SegRNN, section 3.2)."""

    def __init__(self, input_size: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(input_size, hidden)

    def forward(self, segments: Tensor) -> Tensor:
        """(batch, segments, features) to (batch, segments, hidden)."""
        return torch.relu(self.linear(segments))


def position_features(times: Tensor, longest: int) -> Tensor:
    """Sines and cosines of times relative to the origin, (steps, 2 * NUM_PERIODS).

    Periods grow geometrically from `SHORTEST_PERIOD` to four times the `longest` distance, so that a product of two of
    these is a function of the distance between them (Vaswani et al. 2017, section 3.5).

    Args:
        times: (steps,) steps after the last observed one; negative or zero within the context.
        longest: Largest distance between two of them.
    """
    ratio = 4 * max(longest, 2) / SHORTEST_PERIOD
    power = torch.arange(NUM_PERIODS, device=times.device) / (NUM_PERIODS - 1)
    angle = 2 * math.pi * times[:, None] / (SHORTEST_PERIOD * ratio**power)
    return torch.cat([torch.sin(angle), torch.cos(angle)], dim=-1)
