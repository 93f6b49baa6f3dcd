"""The decoder: from encoder memory and known inputs to one output per forecast step.

Two ways through the same parameters, equal in result wherever both are possible:
`decode_parallel` runs one fused recurrence and one batched attention over all steps; `decode_stepwise` is the loop
that autoregression, input feeding, additive scores and the hybrid score need, where a step waits for the one before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from seqcast.config import ModelConfig
from seqcast.model.attention import LagAttention, Memory
from seqcast.model.encoder import Recurrence, State
from seqcast.model.heads import CopyGate, OutputHead, OutputLayout


@dataclass(frozen=True)
class Source:
    """What one window offers its decoder."""

    memory: Memory | None
    """None without attention."""
    values: Tensor
    """(batch, context) standardised target, 0 where not observed: what the copy gate copies."""
    inputs: Tensor
    """(batch, horizon, features) known in advance."""
    state: State


@dataclass(frozen=True)
class Feedback:
    """What an autoregressive decoder is fed: its own last output, or the truth while it is taught."""

    first: Tensor
    """(batch,) last context value."""
    truth: Tensor
    """(batch, horizon)"""
    use_truth: Tensor
    """(batch, horizon) True where step t + 1 is fed the truth of step t."""


@dataclass(frozen=True)
class Carry:
    """What one forecast step hands to the next."""

    state: State
    value: Tensor | None
    """(batch,) the value an autoregressive decoder is fed."""
    attentional: Tensor
    """(batch, 1, hidden) h~ of the step before; zeros at first."""
    context: Tensor
    """(batch, 1, hidden) context vector of the step before; zeros at first."""
    weights: Tensor | None
    """(batch, 1, context) attention of the step before; None at first and without attention."""


class Decoder(nn.Module):
    """h~_t = tanh(W_c [c_t; h_t]) (Luong 2015, equation 5), then the output head and the copy gate."""

    def __init__(
        self, config: ModelConfig, attention: LagAttention | None, input_size: int, horizon: int, layout: OutputLayout
    ) -> None:
        super().__init__()
        additive = config.score == "additive" and attention is not None
        self.autoregressive = config.decoding == "autoregressive"
        self.input_feeding = config.input_feeding
        self.previous_state_asks = additive and config.additive_order == "previous"
        self.context_feeding = additive and config.additive_order == "current"
        self.follows_weights = config.score == "hybrid" and attention is not None
        joined = self.input_feeding + self.previous_state_asks + self.context_feeding + config.repeat_context
        self.recurrence = Recurrence(config, input_size + int(self.autoregressive) + config.hidden * joined)
        self.repeat_context = config.repeat_context
        self.attention = attention
        self.combine = nn.Linear(config.hidden * (2 if attention is not None else 1), config.hidden, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.layout = layout
        self.head = OutputHead(config.hidden, horizon, layout.width)
        self.copy_gate = CopyGate(config.hidden, horizon) if config.copy_gate and attention is not None else None
        self.horizon, self.hidden = horizon, config.hidden

    @property
    def parallel(self) -> bool:
        """Whether all steps can be computed at once, because no step's input waits for another step."""
        waits = (self.autoregressive, self.input_feeding, self.previous_state_asks, self.context_feeding)
        return not (any(waits) or self.follows_weights)

    def decode_parallel(self, source: Source) -> tuple[Tensor, Tensor | None]:
        """Outputs (batch, horizon, width) and weights (batch, horizon, context) of all steps at once."""
        states, _ = self.recurrence(self._known_inputs(source, 1, self.horizon), source.state)
        if self.attention is None:
            return self._emit(self._combine(states, None), None, source, 1), None
        weights, context = self._look(states, source.memory, 1)
        return self._emit(self._combine(states, context), weights, source, 1), weights

    def decode_stepwise(self, source: Source, feedback: Feedback | None) -> tuple[Tensor, Tensor | None]:
        """The same, one step after the other; `feedback` is needed by an autoregressive decoder only."""
        nothing = source.inputs.new_zeros(len(source.inputs), 1, self.hidden)
        carry = Carry(source.state, None if feedback is None else feedback.first, nothing, nothing, None)
        outputs: list[Tensor] = []
        weights: list[Tensor] = []
        for step in range(1, self.horizon + 1):
            output, carry = self.step(source, step, carry)
            outputs.append(output)
            if carry.weights is not None:
                weights.append(carry.weights)
            if feedback is not None:
                own = output[:, 0, self.layout.point_index]
                truth, use_truth = feedback.truth[:, step - 1], feedback.use_truth[:, step - 1]
                carry = replace(carry, value=torch.where(use_truth, truth, own))
        return torch.cat(outputs, dim=1), torch.cat(weights, dim=1) if weights else None

    def step(self, source: Source, step: int, carry: Carry) -> tuple[Tensor, Carry]:
        """One forecast step: join the inputs, advance the state, look, combine, emit.

        In Bahdanau's order the previous state looks first, and what it saw is an input of the next state.
        """
        parts = [self._known_inputs(source, step, step)]
        weights, context = carry.weights, carry.context
        if carry.value is not None:
            parts.append(carry.value[:, None, None])
        if self.input_feeding:
            parts.append(carry.attentional)
        if self.previous_state_asks:
            weights, context = self._look(carry.state[0][-1][:, None], source.memory, step)
        if self.previous_state_asks or self.context_feeding:
            parts.append(context)
        states, state = self.recurrence(torch.cat([part.to(parts[0].dtype) for part in parts], dim=-1), carry.state)
        if self.attention is not None and not self.previous_state_asks:
            weights, context = self._look(states, source.memory, step, carry.weights)
        attentional = self._combine(states, context if self.attention is not None else None)
        output = self._emit(attentional, weights, source, step)
        return output, Carry(state, carry.value, attentional, context, weights)

    def _known_inputs(self, source: Source, first_step: int, last_step: int) -> Tensor:
        """Inputs (batch, steps, features) that do not depend on other steps."""
        inputs = source.inputs[:, first_step - 1 : last_step]
        if not self.repeat_context:
            return inputs
        summary = source.state[0][-1][:, None].expand(-1, inputs.shape[1], -1)
        return torch.cat([inputs, summary.to(inputs.dtype)], dim=-1)

    def _look(
        self, queries: Tensor, memory: Memory | None, first_step: int, previous: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Weights (batch, steps, context) and context vectors (batch, steps, hidden)."""
        assert self.attention is not None
        assert memory is not None
        weights: Tensor = self.attention(queries, memory, first_step, previous)
        if memory.order is not None:
            weights = weights[..., memory.order]
        if memory.keep is not None:
            kept = weights * memory.keep[first_step - 1 : first_step - 1 + queries.shape[1]]
            weights = kept / kept.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(kept.dtype).tiny)
        return weights, torch.bmm(weights.to(memory.states.dtype), memory.states)

    def _combine(self, states: Tensor, context: Tensor | None) -> Tensor:
        """h~ = tanh(W_c [c; h]), with dropout."""
        joined = states if context is None else torch.cat([context, states], dim=-1)
        attentional: Tensor = self.dropout(torch.tanh(self.combine(joined)))
        return attentional

    def _emit(self, attentional: Tensor, weights: Tensor | None, source: Source, first_step: int) -> Tensor:
        """Output (batch, steps, width): the head, plus the gated attended values on every location."""
        output = self.head(attentional, first_step).float()
        if weights is not None and self.copy_gate is not None:
            with torch.autocast(output.device.type, enabled=False):
                copied = torch.bmm(weights, source.values[:, :, None])  # (batch, steps, 1)
            locations = output[..., : self.layout.num_copied]
            gated = self.copy_gate(attentional, first_step).float() * copied
            output = torch.cat([locations + gated, output[..., self.layout.num_copied :]], dim=-1)
        return torch.sort(output, dim=-1).values if self.layout.increasing else output
