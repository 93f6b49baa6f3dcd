"""Corrections of quantiles, one set for each kind of window, learned on past windows by `training.calibration`.

    full     most of the context was observed: corrections by how noisy the window is
    short    little of it was observed: corrections by the number of observed steps
    flat     all observed values are equal: the constant goes on, or it ends and the series moves as others then did

So windows that are easy to forecast do not narrow the intervals of others, and a short history does not pass for a
whole one.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor, nn

from seqcast.model.network import Standardisation, steps_for_scale
from seqcast.model.shape import NetworkShape
from seqcast.tensors.windows import WindowBatch

NUM_NOISES = 3
"""Groups of full windows by noise."""
NUM_MOVES = 65
"""Evenly spaced quantiles that describe how far series move from a constant that ends."""


@dataclass(frozen=True)
class WindowTraits:
    """The properties of B windows by which they are corrected."""

    num_seen: Tensor
    """(B,) observed context steps."""
    noise: Tensor
    """(B,) mean |change| over one step or over one season, the smaller one, in window-standardised units."""
    is_flat: Tensor
    """(B,) True where enough steps were observed and all of them are equal."""
    constant: Tensor
    """(B, 1) newest observed value in window-standardised units."""
    scale: Tensor
    """(B, 1) of the window, in series-scaled units."""
    scale_known: Tensor
    """(B,) as in `WindowBatch`."""

    @classmethod
    def of(cls, batch: WindowBatch, units: Standardisation, season: int) -> Self:
        """The traits of a batch in its units."""
        seen, context = batch.context_observed, batch.context_target.shape[1]
        values = units.apply(batch.context_target, seen)
        num_seen = seen.sum(dim=1)
        raw = batch.context_target
        highest = raw.masked_fill(~seen, -torch.inf).amax(dim=1)
        lowest = raw.masked_fill(~seen, torch.inf).amin(dim=1)
        newest = values.gather(1, (seen * torch.arange(context, device=seen.device)).argmax(dim=1, keepdim=True))
        lags = {1, season if season < context else 1}
        return cls(
            num_seen=num_seen,
            noise=torch.stack([_mean_change(values, seen, lag) for lag in sorted(lags)]).amin(dim=0),
            is_flat=(num_seen >= steps_for_scale(season, context)) & (highest == lowest),
            constant=newest,
            scale=units.scale,
            scale_known=batch.scale_known,
        )

    def __getitem__(self, chosen: Tensor) -> Self:
        """The properties of some of the windows."""
        return replace(self, **{each.name: getattr(self, each.name)[chosen] for each in fields(self)})


def _mean_change(values: Tensor, seen: Tensor, lag: int) -> Tensor:
    """(B,) mean |y_s - y_{s - lag}| of values (B, S)."""
    both = seen[:, lag:] & seen[:, :-lag]
    change = (values[:, lag:] - values[:, :-lag]).abs() * both
    return change.sum(dim=1) / both.sum(dim=1).clamp(min=1)


class Calibration(nn.Module):
    """Corrections of quantiles at L levels, in window-standardised units; zero until they are learned."""

    noise_bounds: Tensor
    """(NUM_NOISES - 1,) noise at which one group of full windows ends and the next begins."""
    full: Tensor
    """(NUM_NOISES, horizon, L)"""
    short: Tensor
    """(2, sizes, horizon, L) windows with 1, 2 to 3, 4 to 7, ... observed steps; those of series whose scale is not
    known come second."""
    flat: Tensor
    """(horizon, L) for flat windows that the networks forecast."""
    flat_stays: Tensor
    """() 1 where the constant is a better forecast of flat windows than that of the networks, else 0."""
    flat_windows: Tensor
    """() number of independent flat windows behind the next two."""
    flat_ends: Tensor
    """(horizon,) share of flat windows that had left their constant at each step."""
    flat_moves: Tensor
    """(NUM_MOVES,) quantiles of how far they were from it then, in series-scaled units."""

    def __init__(self, shape: NetworkShape, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.levels, self.half_context, self.season = levels, shape.context // 2, shape.season
        horizon = shape.horizon
        corrections = (horizon, len(levels))
        self.register_buffer("noise_bounds", torch.zeros(NUM_NOISES - 1))
        self.register_buffer("full", torch.zeros(NUM_NOISES, *corrections))
        self.register_buffer("short", torch.zeros(2, len(self.sizes), *corrections))
        self.register_buffer("flat", torch.zeros(corrections))
        self.register_buffer("flat_stays", torch.tensor(1.0))
        self.register_buffer("flat_windows", torch.tensor(0.0))
        self.register_buffer("flat_ends", torch.zeros(horizon))
        self.register_buffer("flat_moves", normal_moves())

    @property
    def sizes(self) -> tuple[int, ...]:
        """Fewest observed steps of each kind of short windows: 1, 2, 4, ... up to half a context."""
        return tuple(2**power for power in range(max(1, (self.half_context - 1).bit_length())))

    def forward(self, quantiles: Tensor, traits: WindowTraits) -> Tensor:
        """Corrected quantiles (B, horizon, L) of windows; they may cross."""
        group = torch.bucketize(traits.noise, self.noise_bounds)
        size = torch.bucketize(traits.num_seen, torch.tensor(self.sizes, device=group.device), right=True) - 1
        short = self.short[(~traits.scale_known).long(), size.clamp(min=0)]
        correction = torch.where(self.is_short(traits)[:, None, None], short, self.full[group])
        correction = torch.where(traits.is_flat[:, None, None], self.flat, correction)
        corrected = quantiles + correction
        return torch.where(self.stays(traits)[:, None, None], self._around_constant(traits), corrected)

    def is_short(self, traits: WindowTraits) -> Tensor:
        """(B,) True for windows with less than half a context."""
        return traits.num_seen < self.half_context

    def stays(self, traits: WindowTraits) -> Tensor:
        """(B,) True for windows whose constant is the forecast."""
        return traits.is_flat & (self.flat_stays > 0)

    def _around_constant(self, traits: WindowTraits) -> Tensor:
        """(B, horizon, L) quantiles of a mixture: the constant, or with a small probability a move away from it.

        A constant of n steps has held n / t times over t steps, and so have those of past windows. By Laplace's rule
        of succession the probability that it has ended after t steps is (number of ends + 1) / (number of trials + 2).
        """
        steps = torch.arange(1, len(self.flat_ends) + 1, device=self.flat_ends.device)
        known = self.flat_windows.clamp(min=0)
        trials = known + traits.num_seen[:, None] / steps
        ended = ((self.flat_ends.clamp(0, 1) * known + 1) / (trials + 2))[..., None]  # (batch, horizon, 1)
        levels = torch.tensor(self.levels, device=ended.device)
        below, above = self._moved(levels / ended).clamp(max=0), self._moved(1 - (1 - levels) / ended).clamp(min=0)
        moves = torch.where(levels < 0.5, below, above) * (levels != 0.5)
        return traits.constant[..., None] + moves / traits.scale[..., None]

    def _moved(self, probability: Tensor) -> Tensor:
        """Quantiles of the moves, interpolated."""
        place = probability.clamp(0, 1) * (NUM_MOVES - 1)
        first = place.floor().long().clamp(max=NUM_MOVES - 2)
        moved: Tensor = torch.lerp(self.flat_moves[first], self.flat_moves[first + 1], place - first)
        return moved


def normal_moves() -> Tensor:
    """(NUM_MOVES,) quantiles of the standard normal distribution."""
    # Computed on the CPU even for a network without memory: on the meta device torch would load its compiler.
    shares = (torch.arange(NUM_MOVES, dtype=torch.float64, device="cpu") + 0.5) / NUM_MOVES
    return torch.tensor(torch.special.ndtri(shares).tolist())
