"""The encoder: a recurrent network over the context."""

import torch
from torch import Tensor, nn

from seqcast.config import ModelConfig

State = tuple[Tensor, ...]
"""(h, c) of an LSTM or (h,) of a GRU, each (layers, batch, hidden)."""


class Recurrence(nn.Module):
    """An LSTM or a GRU with one interface: batch first, state always a tuple."""

    def __init__(self, config: ModelConfig, input_size: int, bidirectional: bool = False) -> None:
        super().__init__()
        kind = nn.LSTM if config.cell == "lstm" else nn.GRU
        between_layers = config.dropout if config.layers > 1 else 0.0
        self.cell = kind(
            input_size,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=between_layers,
            bidirectional=bidirectional,
        )

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over inputs (batch, steps, features) from `state`; returns (batch, steps, hidden) and the final state.

        On CUDA GPUs autocast computes recurrences in float16 when it is asked for bfloat16, and small gradients would
        vanish there. So they are computed in float32 then.
        """
        if not casts_to_float16(inputs.device.type):
            return self._run(inputs, state)
        with torch.autocast(inputs.device.type, enabled=False):
            return self._run(inputs.float(), tuple(part.float() for part in state))

    def _run(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        if isinstance(self.cell, nn.LSTM):
            outputs, final = self.cell(inputs, (state[0], state[1]))
            return outputs, final
        outputs, last = self.cell(inputs, state[0])
        return outputs, (last,)


def casts_to_float16(device_type: str) -> bool:
    """Whether autocast to bfloat16 is on, and would compute recurrences in float16."""
    if device_type != "cuda" or not torch.is_autocast_enabled(device_type):
        return False
    return torch.get_autocast_dtype(device_type) is torch.bfloat16


class Encoder(nn.Module):
    """Context features to states h-bar_1..h-bar_S and the decoder's first state.

    The encoder starts from what the static covariates say, or from zeros. A bidirectional encoder has states of width
    2 * hidden; bridges bring both states and final state back to hidden.
    """

    def __init__(self, config: ModelConfig, input_size: int, static_size: int) -> None:
        super().__init__()
        self.directions = 2 if config.bidirectional else 1
        self.num_states = 2 if config.cell == "lstm" else 1
        self.layers, self.hidden = config.layers, config.hidden
        self.recurrence = Recurrence(config, input_size, config.bidirectional)
        self.state_size = self.num_states * config.layers * self.directions * config.hidden
        self.first_state = nn.Linear(static_size, self.state_size) if static_size else None
        width = self.directions * config.hidden
        self.state_bridge = nn.Linear(width, config.hidden) if config.bidirectional else nn.Identity()
        self.final_bridge = nn.Linear(width, config.hidden) if config.bidirectional else nn.Identity()

    def forward(self, inputs: Tensor, static: Tensor) -> tuple[Tensor, State]:
        """States (batch, context, hidden) and final state of inputs (batch, context, features) and (batch, static)."""
        batch = inputs.shape[0]
        first = static.new_zeros(batch, self.state_size)
        if self.first_state is not None:
            first = torch.tanh(self.first_state(static))
        first = first.view(batch, self.num_states, -1, self.hidden)
        state = tuple(part.transpose(0, 1).contiguous() for part in first.unbind(dim=1))
        states, final = self.recurrence(inputs, state)
        return self.state_bridge(states), tuple(self.final_bridge(self._join(part)) for part in final)

    def _join(self, part: Tensor) -> Tensor:
        """(layers * directions, batch, hidden) to (layers, batch, directions * hidden)."""
        batch = part.shape[1]
        return (
            part.view(self.layers, self.directions, batch, self.hidden).transpose(1, 2).reshape(self.layers, batch, -1)
        )
