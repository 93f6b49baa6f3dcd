"""Several networks of one shape that forecast together, and naive forecasts beside them.

Outputs and attention weights are averaged by shares. A combination of forecasts is rarely worse than the best of them,
and steadier (Bates and Granger 1969).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqcast.config import NAIVE_FORECASTS, Config, NaiveForecast
from seqcast.model.calibration import Calibration, WindowTraits
from seqcast.model.heads import OutputLayout
from seqcast.model.naive import NaiveForecasts, SeenContext
from seqcast.model.network import Encoded, ForecastNetwork, NetworkOutput, Standardisation
from seqcast.model.shape import NetworkShape
from seqcast.tensors.windows import WindowBatch


@dataclass(frozen=True)
class EncodedByEach:
    """The context of B windows, as each member has read it."""

    parts: tuple[Encoded, ...]
    seen: SeenContext

    @property
    def standardisation(self) -> Standardisation:
        return self.parts[0].standardisation

    def keeping(self, keep: Tensor) -> EncodedByEach:
        """The same with only the attention weights of `keep` (horizon, context) in use; see `Memory.keep`."""
        return EncodedByEach(tuple(part.keeping(keep) for part in self.parts), self.seen.keeping(keep))

    def reordered(self, order: Tensor) -> EncodedByEach:
        """The same with attention weights dealt out in another order (horizon, context); see `Memory.order`."""
        return EncodedByEach(tuple(part.reordered(order) for part in self.parts), self.seen.reordered(order))

    def copying_from(self, other: EncodedByEach) -> EncodedByEach:
        """The same states and attention weights over the attended values of another encoding."""
        parts = (part.copying_from(each) for part, each in zip(self.parts, other.parts, strict=True))
        return EncodedByEach(tuple(parts), other.seen)


class Ensemble(nn.Module):
    """M networks, K naive forecasts, and the shares of all in the forecast."""

    shares: Tensor
    """(M,) shares of the networks among each other, not negative, with sum 1."""
    naive_shares: Tensor
    """(K,) shares of the naive forecasts, not negative, with a sum of at most 1; the networks have the rest."""

    def __init__(self, members: Sequence[ForecastNetwork], shares: Sequence[float]) -> None:
        assert len(members) == len(shares) > 0
        super().__init__()
        self.members = nn.ModuleList(members)
        self.naive = NaiveForecasts(self.shape, self.layout)
        self.register_buffer("shares", torch.tensor(shares, dtype=torch.float32))
        self.register_buffer("naive_shares", torch.zeros(len(NAIVE_FORECASTS)))
        self.calibration = Calibration(self.shape, self.layout.levels)

    @property
    def networks(self) -> tuple[ForecastNetwork, ...]:
        """The members, typed."""
        return tuple(member for member in self.members if isinstance(member, ForecastNetwork))

    @property
    def shape(self) -> NetworkShape:
        return self.networks[0].shape

    @property
    def layout(self) -> OutputLayout:
        return self.networks[0].layout

    @property
    def attends(self) -> bool:
        """Whether there is attention to report."""
        return self.networks[0].decoder.attention is not None

    def with_naive(self, shares: Tensor, offsets: Tensor) -> Ensemble:
        """A copy over the same networks with naive forecasts of these shares (K,) and offsets (K, horizon, width)."""
        joined = Ensemble(self.networks, self.shares.tolist()).to(self.shares.device)
        joined.naive_shares.copy_(shares)
        joined.naive.offsets.copy_(offsets)
        return joined

    def shares_of_naive(self) -> list[tuple[NaiveForecast, float]]:
        """The naive forecasts and their shares, rounded to the two digits that they have."""
        shares = [round(share, 2) for share in self.naive_shares.tolist()]
        return list(zip(NAIVE_FORECASTS, shares, strict=True))

    def only(self, name: NaiveForecast) -> Ensemble:
        """A copy that makes one of its naive forecasts."""
        shares = torch.zeros_like(self.naive_shares)
        shares[NAIVE_FORECASTS.index(name)] = 1
        return self.with_naive(shares, self.naive.offsets)

    def forward(self, batch: WindowBatch, *, write_out: bool = False) -> NetworkOutput:
        """Forecast a batch of B windows; arguments as `ForecastNetwork.forward`."""
        return self.decode(batch, self.encode(batch), write_out=write_out)

    def with_context(self, context: int) -> Ensemble:
        """A copy whose members look at `context` past steps; raises as `ForecastNetwork.with_context`."""
        resized = copy.deepcopy(self)
        for place, network in enumerate(self.networks):
            resized.members[place] = network.with_context(context)
        return resized.to(self.shares.device)  # which lays recurrent weights side by side again, as cuDNN asks

    def encode(self, batch: WindowBatch, standardisation: Standardisation | None = None) -> EncodedByEach:
        """What `decode` needs of the context; arguments as `ForecastNetwork.encode`."""
        parts = tuple(network.encode(batch, standardisation) for network in self.networks)
        values = parts[0].standardisation.apply(batch.context_target, batch.context_observed)
        return EncodedByEach(parts, SeenContext(values, batch.context_observed))

    def decode(self, batch: WindowBatch, encoded: EncodedByEach, *, write_out: bool = False) -> NetworkOutput:
        """Forecast a batch from its encoding."""
        outputs = [
            network.decode(batch, part, write_out=write_out)
            for network, part in zip(self.networks, encoded.parts, strict=True)
        ]
        return self.join(batch, outputs, encoded.seen)

    def join(self, batch: WindowBatch, outputs: Sequence[NetworkOutput], seen: SeenContext) -> NetworkOutput:
        """The forecast of a batch from those of the members, one each; naive forecasts follow from what was seen."""
        units = outputs[0].standardisation
        if len(outputs) == 1:
            values, attention = outputs[0].values, outputs[0].weights
        else:
            values = torch.stack([output.values.float() for output in outputs], dim=-1) @ self.shares
            weights = [output.weights.float() for output in outputs if output.weights is not None]
            attention = torch.stack(weights, dim=-1) @ self.shares if weights else None
        if self.naive_shares.any():
            values, attention = self._with_naive(values.float(), attention, seen)
            if self.layout.increasing:
                values = self.layout.uncrossed(values)
        point = self.layout.point_index
        columns = list(values.unbind(dim=-1))
        columns[point] = _at_least(columns[point], least_value(batch, units))
        return NetworkOutput(torch.stack(columns, dim=-1), attention, units)

    def quantiles(self, batch: WindowBatch, output: NetworkOutput) -> Tensor:
        """(batch, horizon, L) calibrated quantiles at the levels of the layout, or the points (batch, horizon, 1)."""
        quantiles = self.layout.quantiles(output.values.float())
        traits = self.traits(batch, output.standardisation)
        if not self.layout.levels:
            return torch.where(self.calibration.stays(traits)[:, None, None], traits.constant[..., None], quantiles)
        calibrated = self.layout.uncrossed(self.calibration(quantiles, traits))
        return _at_least(calibrated, least_value(batch, output.standardisation)[..., None])

    def traits(self, batch: WindowBatch, units: Standardisation) -> WindowTraits:
        """The properties of windows by which their quantiles are calibrated."""
        return WindowTraits.of(batch, units, self.shape.season)

    def _with_naive(self, values: Tensor, attention: Tensor | None, seen: SeenContext) -> tuple[Tensor, Tensor | None]:
        """Outputs and attention of the networks, averaged with those of the naive forecasts."""
        rest = 1 - self.naive_shares.sum()
        values = rest * values
        attention = None if attention is None else rest * attention.float()
        for name, share in self.shares_of_naive():
            if share:
                values = values + share * self.naive(name, seen)
                attention = None if attention is None else attention + share * self.naive.weights(name, seen)
        return values, attention


def _at_least(values: Tensor, least: Tensor) -> Tensor:
    """Values that are not below the least one; what is not finite stays, so that it is found out."""
    return torch.where(values.isfinite(), values.maximum(least.to(values)), values)


def least_value(batch: WindowBatch, units: Standardisation) -> Tensor:
    """(batch, 1) the smallest value that a forecast may have, in window-standardised units."""
    return (batch.least - units.location) / units.scale


class Networks(nn.Module):
    """All weights of a run: what forecasts, and what was validated before it took in the validation part."""

    def __init__(self, final: Ensemble, validated: Ensemble | None) -> None:
        super().__init__()
        self.final = final
        self.validated = validated


def build_networks(config: Config, shape: NetworkShape, num_members: int) -> Networks:
    """Untrained networks of a configuration, with the parts that a run of `num_members` members has."""

    def ensemble() -> Ensemble:
        members = [ForecastNetwork(config.model, config.training.loss, shape) for _ in range(num_members)]
        return Ensemble(members, [1 / num_members] * num_members)

    return Networks(ensemble(), ensemble() if config.training.refit else None)
