"""The decoder: from encoder memory and known inputs to one output per forecast step.

It takes one recurrent step per segment of W forecast steps; with W = 1 a segment is a step. There are two ways through
the same parameters, equal in result wherever both are possible: `decode_parallel` runs one fused recurrence and one
batched attention over all segments; `decode_stepwise` is the loop that autoregression, input feeding, additive scores
and the hybrid score need, where a segment waits for the one before.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from seqcast.config import ModelConfig
from seqcast.model.attention import LagAttention, Look, Memory
from seqcast.model.encoder import Recurrence, State
from seqcast.model.heads import CopyGate, OutputHead, OutputLayout
from seqcast.model.segments import SegmentEmbedding, Segments


@dataclass(frozen=True)
class DecoderInputs:
    """What one window offers its decoder."""

    memory: Memory | None
    """None without attention."""
    known: Tensor
    """(batch, m, features) inputs of each segment that are known in advance."""
    future: Tensor
    """(batch, horizon, features) inputs of single forecast steps that are known in advance."""
    newest: Tensor
    """(batch, W) last standardised values of the context, 0 where not observed."""
    state: State


@dataclass(frozen=True)
class Feedback:
    """What an autoregressive decoder is fed: its own last outputs, or the truth while it is taught."""

    truth: Tensor
    """(batch, horizon) standardised."""
    use_truth: Tensor
    """(batch, horizon) True where the next segment is fed the truth of this step."""


@dataclass(frozen=True)
class Carry:
    """What one segment hands to the next."""

    state: State
    values: Tensor | None
    """(batch, W) values an autoregressive decoder is fed."""
    attentional: Tensor
    """(batch, 1, hidden) h~ of the segment before; zeros at first."""
    look: Look | None
    """What the segment before saw; None at first and without attention."""


class Decoder(nn.Module):
    """Recurrence, attention, combination h~ = tanh(W_c [c; h]), copy gate and head (Luong 2015, section 3)."""

    def __init__(
        self,
        config: ModelConfig,
        attention: LagAttention | None,
        input_size: int,
        num_step_features: int,
        segments: Segments,
        layout: OutputLayout,
    ) -> None:
        super().__init__()
        additive = config.score == "additive" and attention is not None
        self.autoregressive = config.decoding == "autoregressive"
        self.input_feeding = config.input_feeding
        self.previous_state_asks = additive and config.additive_order == "previous"
        self.context_feeding = additive and config.additive_order == "current"
        self.follows_weights = config.score == "hybrid" and attention is not None
        joined = self.input_feeding + self.previous_state_asks + self.context_feeding + config.repeat_context
        size = input_size + segments.length * self.autoregressive + config.hidden * joined
        self.embedding = SegmentEmbedding(size, config.hidden) if segments.length > 1 else nn.Identity()
        self.recurrence = Recurrence(config, config.hidden if segments.length > 1 else size)
        self.repeat_context = config.repeat_context
        self.attention = attention
        self.combine = nn.Linear(config.hidden * (2 if attention is not None else 1), config.hidden, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.layout = layout
        self.head = OutputHead(config.hidden, segments, layout.width)
        copies = config.copy_gate and attention is not None
        self.copy_gate = CopyGate(config.hidden, segments, num_step_features) if copies else None
        self.segments, self.hidden = segments, config.hidden

    @property
    def parallel(self) -> bool:
        """Whether all segments can be computed at once, because no segment's input waits for another."""
        waits = (self.autoregressive, self.input_feeding, self.previous_state_asks, self.context_feeding)
        return not (any(waits) or self.follows_weights)

    def resize(self, segments: Segments) -> None:
        """Look at another context from now on; see `LagAttention.resize`."""
        self.segments = self.head.segments = segments
        if self.copy_gate is not None:
            self.copy_gate.segments = segments
        if self.attention is not None:
            self.attention.resize(segments)

    def decode_parallel(self, inputs: DecoderInputs, *, write_out: bool = True) -> tuple[Tensor, Tensor | None]:
        """Outputs (batch, horizon, width) and weights (batch, horizon, context) of all steps at once.

        Without `write_out` the weights are None where they are not needed for the outputs.
        """
        states, _ = self.recurrence(self.embedding(self._known(inputs, 0, self.segments.num_future)), inputs.state)
        look = self._look(states, inputs.memory, 0, None, write_out=write_out)
        output = self._emit(self._combine(states, look), look, inputs, 0)
        return output, None if look is None else look.weights

    def decode_stepwise(
        self, inputs: DecoderInputs, feedback: Feedback | None, *, write_out: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """The same, one segment after the other; `feedback` is needed by an autoregressive decoder only."""
        nothing = inputs.known.new_zeros(inputs.known.shape[0], 1, self.hidden)
        carry = Carry(inputs.state, None if feedback is None else inputs.newest, nothing, None)
        outputs: list[Tensor] = []
        weights: list[Tensor] = []
        for segment in range(self.segments.num_future):
            output, carry = self.step(inputs, segment, carry, write_out=write_out)
            outputs.append(output)
            if carry.look is not None and carry.look.weights is not None:
                weights.append(carry.look.weights)
            if feedback is not None:
                carry = replace(carry, values=self._fed(feedback, segment, output))
        return torch.cat(outputs, dim=1), torch.cat(weights, dim=1) if weights else None

    def step(
        self, inputs: DecoderInputs, segment: int, carry: Carry, *, write_out: bool = True
    ) -> tuple[Tensor, Carry]:
        """One segment: join the inputs, advance the state, look, combine, emit.

        In Bahdanau's order the previous state looks first, and what it saw is an input of the next state.
        """
        parts = [self._known(inputs, segment, segment + 1)]
        look = carry.look
        if carry.values is not None:
            parts.append(carry.values[:, None])
        if self.input_feeding:
            parts.append(carry.attentional)
        if self.previous_state_asks:
            look = self._look(carry.state[0][-1][:, None], inputs.memory, segment, None, write_out=write_out)
        if self.previous_state_asks or self.context_feeding:
            parts.append(torch.zeros_like(carry.attentional) if look is None else look.context)
        joined = torch.cat([part.to(parts[0].dtype) for part in parts], dim=-1)
        states, state = self.recurrence(self.embedding(joined), carry.state)
        if not self.previous_state_asks:
            before = None
            if self.follows_weights and look is not None and look.weights is not None:
                before = look.weights.mean(dim=1, keepdim=True)
            wanted = write_out or self.follows_weights
            look = self._look(states, inputs.memory, segment, before, write_out=wanted)
        attentional = self._combine(states, look)
        output = self._emit(attentional, look, inputs, segment)
        return output, Carry(state, carry.values, attentional, look)

    def _fed(self, feedback: Feedback, segment: int, output: Tensor) -> Tensor:
        """(batch, W) point forecasts of a segment, or their truths, for the segment after it."""
        steps = self.segments.steps_of(segment, segment)
        own = output[..., self.layout.point_index]
        values = torch.where(feedback.use_truth[:, steps], feedback.truth[:, steps], own)
        return nn.functional.pad(values, (0, self.segments.length - values.shape[1]))

    def _known(self, inputs: DecoderInputs, first: int, end: int) -> Tensor:
        """Inputs (batch, segments, features) of segments `first` to `end` - 1 that do not depend on other segments."""
        known = inputs.known[:, first:end]
        if not self.repeat_context:
            return known
        summary = inputs.state[0][-1][:, None].expand(-1, known.shape[1], -1)
        return torch.cat([known, summary.to(known.dtype)], dim=-1)

    def _look(
        self, states: Tensor, memory: Memory | None, first: int, previous: Tensor | None, *, write_out: bool
    ) -> Look | None:
        if self.attention is None:
            return None
        assert memory is not None
        return self.attention.look(states, memory, first, previous, write_out=write_out)

    def _combine(self, states: Tensor, look: Look | None) -> Tensor:
        """h~ = tanh(W_c [c; h]), with dropout."""
        joined = states if look is None else torch.cat([look.context.to(states.dtype), states], dim=-1)
        attentional: Tensor = self.dropout(torch.tanh(self.combine(joined)))
        return attentional

    def _emit(self, attentional: Tensor, look: Look | None, inputs: DecoderInputs, first: int) -> Tensor:
        """Output (batch, steps, width): the head, plus the gated attended values on every location."""
        output = self.head(attentional, first).float()
        if look is not None and self.copy_gate is not None:
            gate = self.copy_gate(attentional, first, inputs.future).float()
            locations = output[..., : self.layout.num_copied]
            gated = (gate * look.copied)[..., None]
            output = torch.cat([locations + gated, output[..., self.layout.num_copied :]], dim=-1)
        return torch.sort(output, dim=-1).values if self.layout.increasing else output
