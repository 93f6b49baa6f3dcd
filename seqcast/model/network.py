"""The whole network: window batch in, forecast in window-standardised units and attention weights out.

    standardise -> encode context -> decode horizon (attending the context) -> head

Everything is a function of one window, so windows can be batched in any order.
"""

import copy
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from seqcast.config import Location, Loss, ModelConfig
from seqcast.model.attention import LagAttention, Memory, StepInputs
from seqcast.model.decoder import Decoder, DecoderInputs, Feedback
from seqcast.model.encoder import Encoder
from seqcast.model.heads import OutputLayout
from seqcast.model.segments import SegmentEmbedding, Segments
from seqcast.model.shape import NetworkShape
from seqcast.tensors.series_scale import rows_for_scale
from seqcast.tensors.windows import WindowBatch

STEP_EMBEDDING = 16
SCALE_FLOOR = 0.05
"""Smallest window standard deviation, as a part of the series' own: flat windows are not blown up."""


@dataclass(frozen=True)
class Standardisation:
    """Location and scale of each window, from its observed context steps."""

    location: Tensor
    """(batch, 1) in series-scaled units, in the precision of the panel."""
    scale: Tensor
    """(batch, 1)"""

    @classmethod
    def of(cls, batch: WindowBatch, location: Location = "mean", season: int = 1) -> Self:
        """The location asked for, and the standard deviation around the mean.

        As far as observed steps are missing to `steps_for_scale`, the variance is drawn towards that of the series.

        Args:
            batch: B windows.
            location: "mean" of the window, mean of its last "season", or its "last" observed value.
            season: Steps of the season.

        A window without an observed step has location 0 and the scale of its series; a last season without an observed
        step leaves the mean of the window.
        """
        seen = batch.context_observed
        mean = _mean(batch.context_target, seen)
        deviation = (batch.context_target - mean) * seen
        count = seen.sum(dim=1, keepdim=True)
        variance = (deviation**2).sum(dim=1, keepdim=True) / count.clamp(min=1)
        missing = (1 - count / steps_for_scale(season, seen.shape[1])).clamp(min=0)
        scale = (variance * (1 - missing) + missing + SCALE_FLOOR**2).sqrt().float()
        match location:
            case "mean":
                return cls(mean, scale)
            case "season":
                newest = seen[:, -season:]
                centre = _mean(batch.context_target[:, -season:], newest)
                return cls(torch.where(newest.any(dim=1, keepdim=True), centre, mean), scale)
            case "last":
                return cls(newest_value(batch.context_target, seen), scale)

    def apply(self, values: Tensor, observed: Tensor) -> Tensor:
        """(values - location) / scale where observed, else 0; float32."""
        return ((values - self.location) / self.scale).float() * observed


def steps_for_scale(season: int, context: int) -> int:
    """Observed steps of a window from which its own scale is trusted."""
    return max(1, min(rows_for_scale(season), context // 2))


def _mean(values: Tensor, seen: Tensor) -> Tensor:
    """(batch, 1) mean over the steps that were seen; values are 0 elsewhere."""
    return values.sum(dim=1, keepdim=True) / seen.sum(dim=1, keepdim=True).clamp(min=1)


def newest_value(values: Tensor, observed: Tensor) -> Tensor:
    """(batch, 1) the last observed of values (batch, context), which are 0 where not observed; 0 without any."""
    steps = torch.arange(values.shape[1], device=values.device)
    return values.gather(1, (observed * steps).argmax(dim=1, keepdim=True))


@dataclass(frozen=True)
class Encoded:
    """The context of B windows, read."""

    standardisation: Standardisation
    inputs: DecoderInputs

    def keeping(self, keep: Tensor) -> Self:
        """The same with only the attention weights of `keep` (horizon, context) in use; see `Memory.keep`."""
        return self._with_memory(replace(self._memory, keep=keep))

    def reordered(self, order: Tensor) -> Self:
        """The same with attention weights dealt out in another order (horizon, context); see `Memory.order`."""
        return self._with_memory(replace(self._memory, order=order))

    def copying_from(self, other: Self) -> Self:
        """The same states and attention weights over the attended values of another encoding."""
        return self._with_memory(replace(self._memory, values=other._memory.values))

    @property
    def _memory(self) -> Memory:
        assert self.inputs.memory is not None, "the network has no attention"
        return self.inputs.memory

    def _with_memory(self, memory: Memory) -> Self:
        return replace(self, inputs=replace(self.inputs, memory=memory))


@dataclass(frozen=True)
class NetworkOutput:
    """Forecast of B windows."""

    values: Tensor
    """(batch, horizon, width) in window-standardised units; quantiles do not decrease along the last axis."""
    weights: Tensor | None
    """(batch, horizon, context) attention; None without attention, and where it was not written out."""
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
    return min(16, num_codes)


class ForecastNetwork(nn.Module):
    """Recurrent encoder-decoder with Luong attention on real-valued windows."""

    def __init__(self, config: ModelConfig, loss: Loss, shape: NetworkShape) -> None:
        super().__init__()
        assert config.segment is not None
        assert config.location is not None
        self.shape, self.location = shape, config.location
        self.segments = Segments(config.segment, shape.context, shape.horizon)
        self.reverse_input = config.reverse_input
        self.past_embeddings = CategoryEmbeddings(shape.past_categories)
        self.known_embeddings = CategoryEmbeddings(shape.known_categories)
        self.static_embeddings = CategoryEmbeddings(shape.static_categories)
        self.step_embedding = nn.Embedding(self.segments.num_future, STEP_EMBEDDING)
        known = shape.num_known + self.known_embeddings.width
        static = shape.num_static + self.static_embeddings.width
        length, of_step = self.segments.length, 2 + known + shape.num_past + self.past_embeddings.width
        self.embedding = SegmentEmbedding(length * of_step, config.hidden) if length > 1 else nn.Identity()
        self.encoder = Encoder(config, config.hidden if length > 1 else of_step, static)
        has_covariates = known > shape.num_calendar
        per_step = length > 1 and (has_covariates or not config.lag_bias)
        attention = None
        if config.attention != "none":
            steps = StepInputs(of_step, known + static, per_step)
            attention = LagAttention(config, self.segments, shape.season, steps)
        self.layout = OutputLayout.of(loss, config.quantiles)
        inputs = length * known + STEP_EMBEDDING + static
        self.decoder = Decoder(config, attention, inputs, known * per_step, self.segments, self.layout)

    def forward(self, batch: WindowBatch, use_truth: Tensor | None = None, *, write_out: bool = False) -> NetworkOutput:
        """Forecast a batch.

        Args:
            batch: B windows of the trained context and horizon.
            use_truth: (batch, horizon) True where an autoregressive decoder is fed the true value of that step; None
                lets it run freely. Other decoders ignore it: they have no such input.
            write_out: Whether the attention weights are wanted; the outputs are the same but for rounding.
        """
        return self.decode(batch, self.encode(batch), use_truth, write_out=write_out)

    def with_context(self, context: int) -> Self:
        """A copy that looks at `context` past steps.

        Raises:
            UsageError: The context is longer than the trained one, of which a location score or local-p has learned
                each position.
        """
        resized = copy.deepcopy(self)
        resized.shape = replace(self.shape, context=context)
        resized.segments = replace(self.segments, context=context)
        resized.decoder.resize(resized.segments)
        return resized

    def standardise(self, batch: WindowBatch) -> Standardisation:
        """The units of each window."""
        return Standardisation.of(batch, self.location, self.shape.season)

    def encode(self, batch: WindowBatch, standardisation: Standardisation | None = None) -> Encoded:
        """What `decode` needs of the context; one encoding may be decoded several times.

        A changed batch may be read in the units of the one it was made from: its `standardisation`, else its own.
        """
        units = standardisation or self.standardise(batch)
        return Encoded(units, self._encode(batch, units.apply(batch.context_target, batch.context_observed)))

    def decode(
        self, batch: WindowBatch, encoded: Encoded, use_truth: Tensor | None = None, *, write_out: bool = False
    ) -> NetworkOutput:
        """Forecast a batch from its encoding; arguments as `forward`."""
        standardisation, inputs = encoded.standardisation, encoded.inputs
        if self.decoder.parallel:
            output, weights = self.decoder.decode_parallel(inputs, write_out=write_out)
        else:
            feedback = self._feedback(batch, standardisation, use_truth)
            output, weights = self.decoder.decode_stepwise(inputs, feedback, write_out=write_out)
        if self.layout.increasing and not self.training:
            output = self.layout.uncrossed(output)
        return NetworkOutput(output, weights, standardisation)

    def _encode(self, batch: WindowBatch, values: Tensor) -> DecoderInputs:
        segments, context = self.segments, self.shape.context
        known = torch.cat([batch.known_features, self.known_embeddings(batch.known_codes)], dim=-1)
        past = torch.cat([batch.past_features, self.past_embeddings(batch.past_codes)], dim=-1)
        # Neither location nor scale of the window: a level that training has not seen would be extrapolated from.
        static = torch.cat([batch.static_features, self.static_embeddings(batch.static_codes)], dim=-1)
        observed = batch.context_observed
        own = torch.stack([self._read(values, observed), observed.to(values.dtype)], dim=-1)
        steps = torch.cat([own, known[:, :context], past], dim=-1)
        folded = segments.fold_context(steps)
        states, state = self.encoder(self.embedding(folded.flip(1) if self.reverse_input else folded), static)
        if self.reverse_input:
            states = states.flip(1)  # back in order of time, so that a position is a lag again
        future = known[:, context:]
        order = self.step_embedding.weight.expand(values.shape[0], -1, -1)
        inputs = torch.cat([segments.fold_horizon(future), order, _repeated(static, segments.num_future)], dim=-1)
        attention, memory = self.decoder.attention, None
        if attention is not None:
            asking = torch.cat([future, _repeated(static, future.shape[1])], dim=-1)
            memory = attention.remember(states, values, observed, steps, asking)
        newest = nn.functional.pad(values, (segments.length, 0))[:, -segments.length :]
        return DecoderInputs(memory, inputs, future, newest, state)

    def _read(self, values: Tensor, observed: Tensor) -> Tensor:
        """Values as the recurrence reads them: relative to the last observed one where it takes segments at once."""
        if self.segments.length == 1:
            return values
        return (values - newest_value(values, observed)) * observed

    def _feedback(
        self, batch: WindowBatch, standardisation: Standardisation, use_truth: Tensor | None
    ) -> Feedback | None:
        if not self.decoder.autoregressive:
            return None
        if use_truth is None:
            use_truth = torch.zeros_like(batch.future_observed)
        truth = standardisation.apply(batch.future_target, batch.future_observed)
        return Feedback(truth, use_truth & batch.future_observed)


def _repeated(static: Tensor, num_times: int) -> Tensor:
    """(batch, times, features) of (batch, features)."""
    return static[:, None].expand(-1, num_times, -1)
