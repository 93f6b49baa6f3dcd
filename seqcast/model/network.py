"""The whole network: window batch in, forecast in window-standardised units and attention weights out.

    standardise -> encode context -> decode horizon (attending the context) -> head

Everything is a function of one window, so windows can be batched in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from seqcast.config import Loss, ModelConfig
from seqcast.model.attention import LagAttention, Memory
from seqcast.model.decoder import Decoder, Feedback, Source
from seqcast.model.encoder import Encoder
from seqcast.model.heads import OutputLayout
from seqcast.model.shape import NetworkShape
from seqcast.tensors.windows import WindowBatch

STEP_EMBEDDING = 16
SCALE_FLOOR = 0.05
"""Smallest window standard deviation, as a part of the series' own: flat windows are not blown up."""


@dataclass(frozen=True)
class Standardisation:
    """Location and scale of each window, from its observed context steps."""

    location: Tensor
    """(batch, 1) in series-scaled units."""
    scale: Tensor
    """(batch, 1)"""

    @classmethod
    def of(cls, batch: WindowBatch) -> Standardisation:
        """Mean and standard deviation over observed steps; 0 and the floor where nothing was observed."""
        seen = batch.context_observed
        count = seen.sum(dim=1, keepdim=True).clamp(min=1)
        location = batch.context_target.sum(dim=1, keepdim=True) / count
        deviation = (batch.context_target - location) * seen
        scale = ((deviation**2).sum(dim=1, keepdim=True) / count + SCALE_FLOOR**2).sqrt()
        return cls(location, scale)

    def apply(self, values: Tensor, observed: Tensor) -> Tensor:
        """(values - location) / scale where observed, else 0."""
        return (values - self.location) / self.scale * observed


@dataclass(frozen=True)
class Encoded:
    """The context of B windows, read."""

    standardisation: Standardisation
    source: Source

    def keeping(self, keep: Tensor) -> Encoded:
        """The same with only the attention weights of `keep` (horizon, context) in use; see `Memory.keep`."""
        return self._with_memory(replace(self._memory, keep=keep))

    def reordered(self, order: Tensor) -> Encoded:
        """The same with attention weights dealt out in another order (context,); see `Memory.order`."""
        return self._with_memory(replace(self._memory, order=order))

    @property
    def _memory(self) -> Memory:
        assert self.source.memory is not None, "the network has no attention"
        return self.source.memory

    def _with_memory(self, memory: Memory) -> Encoded:
        return replace(self, source=replace(self.source, memory=memory))


@dataclass(frozen=True)
class NetworkOutput:
    """Forecast of B windows."""

    values: Tensor
    """(batch, horizon, width) in window-standardised units; quantiles do not decrease along the last axis."""
    weights: Tensor | None
    """(batch, horizon, context) attention, or None without attention."""
    standardisation: Standardisation


class CategoryEmbeddings(nn.Module):
    """One embedding per categorical column, joined."""

    def __init__(self, num_codes: tuple[int, ...]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(count, _embedding_width(count)) for count in num_codes)
        self.width = sum(_embedding_width(count) for count in num_codes)

    def forward(self, codes: Tensor) -> Tensor:
        """(..., columns) codes to (..., width)."""
        if not self.tables:
            return codes.new_empty((*codes.shape[:-1], 0), dtype=torch.float32)
        return torch.cat([table(codes[..., i]) for i, table in enumerate(self.tables)], dim=-1)


def _embedding_width(num_codes: int) -> int:
    return min(16, (num_codes + 1) // 2)


class ForecastNetwork(nn.Module):
    """Recurrent encoder-decoder with Luong attention on real-valued windows."""

    def __init__(self, config: ModelConfig, loss: Loss, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.reverse_input = config.reverse_input
        self.past_embeddings = CategoryEmbeddings(shape.past_categories)
        self.known_embeddings = CategoryEmbeddings(shape.known_categories)
        self.static_embeddings = CategoryEmbeddings(shape.static_categories)
        self.step_embedding = nn.Embedding(shape.horizon, STEP_EMBEDDING)
        known = shape.num_known + self.known_embeddings.width
        static = shape.num_static + self.static_embeddings.width
        encoder_inputs = 2 + known + shape.num_past + self.past_embeddings.width
        self.encoder = Encoder(config, encoder_inputs, static)
        attention = None
        if config.attention != "none":
            attention = LagAttention(config, shape.horizon, shape.context, shape.season)
        self.layout = OutputLayout.of(loss, config.quantiles)
        self.decoder = Decoder(config, attention, known + STEP_EMBEDDING + static, shape.horizon, self.layout)

    def forward(self, batch: WindowBatch, use_truth: Tensor | None = None) -> NetworkOutput:
        """Forecast a batch.

        Args:
            batch: B windows of the trained context and horizon.
            use_truth: (batch, horizon) True where an autoregressive decoder is fed the true value of that step; None
                lets it run freely. Other decoders ignore it: they have no such input.
        """
        return self.decode(batch, self.encode(batch), use_truth)

    def encode(self, batch: WindowBatch, standardisation: Standardisation | None = None) -> Encoded:
        """What `decode` needs of the context; one encoding may be decoded several times.

        A changed batch may be read in the units of the one it was made from: its `standardisation`, else its own.
        """
        units = standardisation or Standardisation.of(batch)
        return Encoded(units, self._encode(batch, units.apply(batch.context_target, batch.context_observed)))

    def decode(self, batch: WindowBatch, encoded: Encoded, use_truth: Tensor | None = None) -> NetworkOutput:
        """Forecast a batch from its encoding; arguments as `forward`."""
        standardisation, source = encoded.standardisation, encoded.source
        if self.decoder.parallel:
            output, weights = self.decoder.decode_parallel(source)
        else:
            feedback = self._feedback(batch, source.values, standardisation, use_truth)
            output, weights = self.decoder.decode_stepwise(source, feedback)
        if self.layout.increasing and not self.training:
            output = self.layout.uncrossed(output)
        return NetworkOutput(output, weights, standardisation)

    def _encode(self, batch: WindowBatch, values: Tensor) -> Source:
        context, horizon = self.shape.context, self.shape.horizon
        known = torch.cat([batch.known_features, self.known_embeddings(batch.known_codes)], dim=-1)
        past = torch.cat([batch.past_features, self.past_embeddings(batch.past_codes)], dim=-1)
        # Neither location nor scale of the window: a level that training has not seen would be extrapolated from.
        static = torch.cat([batch.static_features, self.static_embeddings(batch.static_codes)], dim=-1)
        own = torch.stack([values, batch.context_observed.to(values.dtype)], dim=-1)
        inputs = torch.cat([own, known[:, :context], past], dim=-1)
        states, state = self.encoder(inputs.flip(1) if self.reverse_input else inputs, static)
        if self.reverse_input:
            states = states.flip(1)  # back in order of time, so that a position is a lag again
        steps = self.step_embedding.weight.expand(len(values), -1, -1)
        future = torch.cat([known[:, context:], steps, static[:, None].expand(-1, horizon, -1)], dim=-1)
        attention = self.decoder.attention
        memory = None if attention is None else attention.remember(states, batch.context_observed)
        return Source(memory, values, future, state)

    def _feedback(
        self, batch: WindowBatch, values: Tensor, standardisation: Standardisation, use_truth: Tensor | None
    ) -> Feedback | None:
        if not self.decoder.autoregressive:
            return None
        if use_truth is None:
            use_truth = torch.zeros_like(batch.future_observed)
        truth = standardisation.apply(batch.future_target, batch.future_observed)
        return Feedback(values[:, -1], truth, use_truth & batch.future_observed)
