"""Several networks of one shape that forecast together: their outputs and attention weights are averaged by shares.

A combination of forecasts is rarely worse than the best of them, and steadier (Bates and Granger 1969).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqcast.config import Config
from seqcast.model.heads import OutputLayout
from seqcast.model.network import Encoded, ForecastNetwork, NetworkOutput, Standardisation
from seqcast.model.shape import NetworkShape
from seqcast.tensors.windows import WindowBatch


@dataclass(frozen=True)
class EncodedByEach:
    """The context of B windows, as each member has read it."""

    parts: tuple[Encoded, ...]

    @property
    def standardisation(self) -> Standardisation:
        return self.parts[0].standardisation

    def keeping(self, keep: Tensor) -> EncodedByEach:
        """The same with only the attention weights of `keep` (horizon, context) in use; see `Memory.keep`."""
        return EncodedByEach(tuple(part.keeping(keep) for part in self.parts))

    def reordered(self, order: Tensor) -> EncodedByEach:
        """The same with attention weights dealt out in another order (horizon, context); see `Memory.order`."""
        return EncodedByEach(tuple(part.reordered(order) for part in self.parts))


class Ensemble(nn.Module):
    """M networks and their shares in the forecast."""

    shares: Tensor
    """(M,) not negative, with sum 1."""
    calibration: Tensor
    """(horizon, width) what training.calibration adds to the learned quantiles."""

    def __init__(self, members: Sequence[ForecastNetwork], shares: Sequence[float]) -> None:
        assert len(members) == len(shares) > 0
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("shares", torch.tensor(shares, dtype=torch.float32))
        self.register_buffer("calibration", torch.zeros(self.shape.horizon, self.layout.width))

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

    def forward(self, batch: WindowBatch, *, write_out: bool = False) -> NetworkOutput:
        """Forecast a batch of B windows; arguments as `ForecastNetwork.forward`."""
        return self.decode(batch, self.encode(batch), write_out=write_out)

    def with_context(self, context: int) -> Ensemble:
        """A copy whose members look at `context` past steps; raises as `ForecastNetwork.with_context`."""
        resized = copy.deepcopy(self)
        for place, network in enumerate(self.networks):
            resized.members[place] = network.with_context(context)
        return resized

    def encode(self, batch: WindowBatch, standardisation: Standardisation | None = None) -> EncodedByEach:
        """What `decode` needs of the context; arguments as `ForecastNetwork.encode`."""
        return EncodedByEach(tuple(network.encode(batch, standardisation) for network in self.networks))

    def decode(self, batch: WindowBatch, encoded: EncodedByEach, *, write_out: bool = False) -> NetworkOutput:
        """Forecast a batch from its encoding."""
        outputs = [
            network.decode(batch, part, write_out=write_out)
            for network, part in zip(self.networks, encoded.parts, strict=True)
        ]
        if len(outputs) == 1:
            values, attention = outputs[0].values, outputs[0].weights
        else:
            values = torch.stack([output.values.float() for output in outputs], dim=-1) @ self.shares
            weights = [output.weights.float() for output in outputs if output.weights is not None]
            attention = torch.stack(weights, dim=-1) @ self.shares if weights else None
        if self.layout.increasing:
            values = self.layout.uncrossed(values + self.calibration)
        return NetworkOutput(values, attention, encoded.standardisation)


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
