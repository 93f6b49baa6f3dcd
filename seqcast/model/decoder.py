"""The decoder: from encoder memory and known inputs to one output per forecast step.

Two ways through the same parameters, equal in result wherever both are possible:
`decode_parallel` runs one fused recurrence and one batched attention over all steps; `decode_stepwise` is the loop
that autoregression, input feeding and Bahdanau's order of computation need.
"""

from __future__ import annotations

from dataclasses import dataclass

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


class Decoder(nn.Module):
    """h~_t = tanh(W_c [c_t; h_t]) (Luong 2015, equation 5), then the output head and the copy gate."""

    def __init__(
        self, config: ModelConfig, attention: LagAttention | None, input_size: int, horizon: int, layout: OutputLayout
    ) -> None:
        super().__init__()
        self.autoregressive = config.decoding == "autoregressive"
        self.input_feeding = config.input_feeding
        self.previous_state_asks = config.score == "additive" and attention is not None
        extra = int(self.autoregressive) + config.hidden * (self.input_feeding + self.previous_state_asks)
        self.recurrence = Recurrence(config, input_size + extra)
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
        return not (self.autoregressive or self.input_feeding or self.previous_state_asks)

    def decode_parallel(self, source: Source) -> tuple[Tensor, Tensor | None]:
        """Outputs (batch, horizon, width) and weights (batch, horizon, context) of all steps at once."""
        states, _ = self.recurrence(source.inputs, source.state)
        if self.attention is None or source.memory is None:
            return self._emit(self._combine(states, None), None, source, 1), None
        weights, context = self._look(states, source.memory, 1)
        return self._emit(self._combine(states, context), weights, source, 1), weights

    def decode_stepwise(self, source: Source, feedback: Feedback | None) -> tuple[Tensor, Tensor | None]:
        """The same, one step after the other; `feedback` is needed by an autoregressive decoder only."""
        outputs: list[Tensor] = []
        weights: list[Tensor] = []
        state, previous = source.state, None if feedback is None else feedback.first
        attentional = source.inputs.new_zeros(len(source.inputs), 1, self.hidden)
        for step in range(1, self.horizon + 1):
            output, attentional, step_weights, state = self._step(source, step, state, previous, attentional)
            outputs.append(output)
            if step_weights is not None:
                weights.append(step_weights)
            if feedback is not None:
                own = output[:, 0, self.layout.point_index]
                previous = torch.where(feedback.use_truth[:, step - 1], feedback.truth[:, step - 1], own)
        return torch.cat(outputs, dim=1), torch.cat(weights, dim=1) if weights else None

    def _step(
        self, source: Source, step: int, state: State, previous: Tensor | None, attentional: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None, State]:
        """One forecast step: look (if the previous state asks), join inputs, advance, look, combine, emit."""
        parts = [source.inputs[:, step - 1 : step]]
        weights = context = None
        if self.autoregressive:
            assert previous is not None
            parts.append(previous[:, None, None].to(parts[0].dtype))
        if self.input_feeding:
            parts.append(attentional.to(parts[0].dtype))
        if self.previous_state_asks:
            weights, context = self._look(state[0][-1][:, None], source.memory, step)
            parts.append(context.to(parts[0].dtype))
        states, state = self.recurrence(torch.cat(parts, dim=-1), state)
        if self.attention is not None and not self.previous_state_asks:
            weights, context = self._look(states, source.memory, step)
        attentional = self._combine(states, context)
        return self._emit(attentional, weights, source, step), attentional, weights, state

    def _look(self, queries: Tensor, memory: Memory | None, first_step: int) -> tuple[Tensor, Tensor]:
        """Weights (batch, steps, context) and context vectors (batch, steps, hidden)."""
        assert self.attention is not None
        assert memory is not None
        weights: Tensor = self.attention(queries, memory, first_step)
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
