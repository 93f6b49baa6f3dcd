"""Attention of decoder states over encoder states, one small class per published equation.

Notation: encoder states h-bar_s, s = 1..S (context); decoder states h_t, t = 1..T (T = horizon, or 1 when stepping).
Dimension names in shape comments: batch, horizon (T), context (S), hidden.

Luong, Pham, Manning 2015, "Effective Approaches to Attention-based Neural Machine Translation" (arXiv 1508.04025);
Bahdanau, Cho, Bengio 2015 (arXiv 1409.0473); Vinyals et al. 2015 (arXiv 1412.7449); Chorowski et al. 2015 (arXiv
1506.07503); Martins and Astudillo 2016 (arXiv 1602.02068).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqcast.config import ModelConfig
from seqcast.errors import UsageError

LOWEST = -1e9
"""Score of a step that may not be attended."""


def softmax(scores: Tensor) -> Tensor:
    """exp(z_s) / sum exp(z) along the last axis."""
    return torch.softmax(scores, dim=-1)


def sparsemax(scores: Tensor) -> Tensor:
    """max(z_s - tau, 0) along the last axis, tau such that they sum to 1 (Martins and Astudillo 2016, algorithm 1).

    Scores well below the highest get exactly no weight.
    """
    scores = scores - scores.amax(dim=-1, keepdim=True)  # beside numbers as large as LOWEST a 1 would be rounded away
    ordered = scores.sort(dim=-1, descending=True).values
    rank = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    sums = ordered.cumsum(dim=-1)
    support = (1 + rank * ordered > sums).sum(dim=-1, keepdim=True)
    threshold = (sums.gather(-1, support - 1) - 1) / support
    return (scores - threshold).clamp(min=0)


class ScoreFunction(nn.Module, ABC):
    """How well each encoder state answers each decoder state."""

    def keys(self, states: Tensor) -> Tensor:
        """What is computed once per window from encoder states: (batch, context, hidden)."""
        return states

    def start_silent(self) -> None:
        """Make every score zero until training raises it, so that a lag bias is heard alone; not every score can."""

    @abstractmethod
    def forward(self, queries: Tensor, keys: Tensor, previous: Tensor | None = None) -> Tensor:
        """Scores (batch, horizon, context) of queries (batch, horizon, hidden).

        `previous` are the weights (batch, 1, context) of the step before, for a score that wants them.
        """


class DotScore(ScoreFunction):
    """score(h_t, h-bar_s) = h_t . h-bar_s (Luong 2015, section 3.1)."""

    def forward(self, queries: Tensor, keys: Tensor, previous: Tensor | None = None) -> Tensor:
        return torch.bmm(queries, keys.transpose(1, 2))


class GeneralScore(DotScore):
    """score(h_t, h-bar_s) = h_t^T W_a h-bar_s (Luong 2015, section 3.1)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.projection = nn.Linear(hidden, hidden, bias=False)

    def start_silent(self) -> None:
        nn.init.zeros_(self.projection.weight)

    def keys(self, states: Tensor) -> Tensor:
        projected: Tensor = self.projection(states)
        return projected


class CosineScore(DotScore):
    """score(h_t, h-bar_s) = temperature * cos(h_t, h-bar_s), the temperature learned."""

    def __init__(self) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(math.log(5.0)))

    def keys(self, states: Tensor) -> Tensor:
        return functional.normalize(states, dim=-1)

    def forward(self, queries: Tensor, keys: Tensor, previous: Tensor | None = None) -> Tensor:
        return super().forward(functional.normalize(queries, dim=-1), keys) * self.log_temperature.exp()


class ConcatScore(ScoreFunction):
    """score(h_t, h-bar_s) = v_a^T tanh(W_a [h_t; h-bar_s]) (Luong 2015, section 3.1), W_a full.

    W_a is held as its two blocks, so the encoder's half is computed once per window. With the *previous* decoder state
    as query this is Bahdanau's additive score v^T tanh(W s_{t-1} + U h-bar_s) (arXiv 1409.0473, A.1.2).
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.query_block = nn.Linear(hidden, hidden, bias=False)
        self.key_block = nn.Linear(hidden, hidden)
        self.vector = nn.Linear(hidden, 1, bias=False)

    def start_silent(self) -> None:
        nn.init.zeros_(self.vector.weight)

    def keys(self, states: Tensor) -> Tensor:
        projected: Tensor = self.key_block(states)
        return projected

    def forward(self, queries: Tensor, keys: Tensor, previous: Tensor | None = None) -> Tensor:
        mixed = torch.tanh(self.query_block(queries)[:, :, None] + keys[:, None])  # (batch, horizon, context, hidden)
        scores: Tensor = self.vector(mixed).squeeze(-1)
        return scores


class LocationScore(ScoreFunction):
    """a_t = softmax(W_a h_t) over positions (Luong 2015, equation 8): a position of a fixed context is a lag."""

    def __init__(self, hidden: int, context: int) -> None:
        super().__init__()
        self.projection = nn.Linear(hidden, context, bias=False)

    def start_silent(self) -> None:
        nn.init.zeros_(self.projection.weight)

    def forward(self, queries: Tensor, keys: Tensor, previous: Tensor | None = None) -> Tensor:
        scores: Tensor = self.projection(queries)
        if scores.shape[-1] != keys.shape[1]:
            raise UsageError(f"location scores know {scores.shape[-1]} positions, the context has {keys.shape[1]}.")
        return scores


class HybridScore(ConcatScore):
    """score = v^T tanh(W h_t + V h-bar_s + U f_ts), f_t = F * a_{t-1} (Chorowski 2015, equations 8 and 9).

    The convolution F sees where the step before looked, so the score can move along; before the first step it sees
    nothing.
    """

    CHANNELS, WIDTH = 8, 15

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden)
        self.convolution = nn.Conv1d(1, self.CHANNELS, self.WIDTH, padding=self.WIDTH // 2, bias=False)
        self.location_block = nn.Linear(self.CHANNELS, hidden, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, previous: Tensor | None = None) -> Tensor:
        if previous is not None:
            features = self.convolution(previous).transpose(1, 2)  # (batch, context, channels)
            keys = keys + self.location_block(features)
        return super().forward(queries, keys)


class LocalMonotonicFocus(nn.Module):
    """Only [p_t - D, p_t + D] may be attended, p_t = S - m k + t with m the season (Luong 2015, local-m).

    Luong's p_t = t is for translation. A forecast looks one season back: k is the fewest seasons with p_t <= S.
    """

    def __init__(self, season: int) -> None:
        super().__init__()
        self.season, self.reach = season, max(1, season // 4)

    def forward(self, scores: Tensor, queries: Tensor, first_step: int) -> Tensor:
        """Log-weights to add to `scores` (batch, horizon, context), whose first row is forecast step `first_step`."""
        horizon, context = scores.shape[1:]
        step = torch.arange(first_step, first_step + horizon, device=scores.device)[:, None]
        seasons_back = torch.div(step + self.season - 1, self.season, rounding_mode="floor")
        centre = (context - self.season * seasons_back + step).clamp(min=1)
        position = torch.arange(1, context + 1, device=scores.device)[None]
        outside = (position - centre).abs() > self.reach  # (horizon, context)
        return torch.zeros_like(outside, dtype=scores.dtype).masked_fill(outside, -torch.inf)


class LocalPredictiveFocus(nn.Module):
    """p_t = S sigmoid(v_p^T tanh(W_p h_t)), weights times exp(-(s - p_t)^2 / 2 sigma^2) (Luong 2015, eqs. 9, 10).

    sigma is half the reach D, here half a season. The weights are made to sum to 1 again, so that they stay shares.
    """

    def __init__(self, hidden: int, season: int) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(hidden, hidden, bias=False)
        self.position_layer = nn.Linear(hidden, 1, bias=False)
        self.sigma = max(2, season) / 2

    def forward(self, scores: Tensor, queries: Tensor, first_step: int) -> Tensor:
        context = scores.shape[2]
        relative = torch.sigmoid(self.position_layer(torch.tanh(self.hidden_layer(queries))))
        position = torch.arange(1, context + 1, device=scores.device)[None, None]
        distance: Tensor = (position - context * relative) / self.sigma  # (batch, horizon, context)
        return -0.5 * distance**2


@dataclass(frozen=True)
class Memory:
    """What the decoder may look at, computed once per window."""

    states: Tensor
    """(batch, context, hidden) encoder states."""
    keys: Tensor
    """(batch, context, hidden) as the score function wants them."""
    hidden: Tensor | None
    """(batch, 1, context) True on steps that may not be attended; None when all may, which saves masking."""
    keep: Tensor | None = None
    """(horizon, context) True on weights the decoder may use: the others are removed, and those left to a step made
    to sum to 1 again; None: all. For asking what attended steps are worth."""
    order: Tensor | None = None
    """(context,) the position whose weight each position is given instead of its own; None: its own. For the same."""


class LagAttention(nn.Module):
    """Attention weights a_t = softmax over context of score + lag bias, within a focus.

    The lag bias is a learned number per (forecast step, context position): what the step looks at before it has seen
    any content. The context of a window is fixed, so a position is a lag.
    """

    def __init__(self, config: ModelConfig, horizon: int, context: int, season: int) -> None:
        super().__init__()
        self.score = _score_function(config, context)
        self.focus = _focus(config, season)
        self.lag_bias = nn.Parameter(torch.zeros(horizon, context)) if config.lag_bias else None
        self.normalise = softmax if config.normaliser == "softmax" else sparsemax

    def start_at(self, weights: Tensor) -> None:
        """Let the lag bias alone say these weights (horizon, context), positive and of sum 1.

        Sparsemax projects scores on such weights, so these themselves are the scores that give them.
        """
        assert self.lag_bias is not None
        self.score.start_silent()
        self.lag_bias.copy_(weights if self.normalise is sparsemax else torch.log(weights))

    def remember(self, states: Tensor, observed: Tensor) -> Memory:
        """Prepare encoder states (batch, context, hidden) to be attended."""
        hidden = None if bool(observed.all()) else ~observed[:, None]
        return Memory(states, self.score.keys(states), hidden)

    def forward(self, queries: Tensor, memory: Memory, first_step: int = 1, previous: Tensor | None = None) -> Tensor:
        """Weights (batch, horizon, context) of forecast steps `first_step`, `first_step` + 1, ...

        `previous` are the weights of the step before `first_step`, which the hybrid score asks for.
        Steps that were not observed get no weight; a window without any observed step gets zeros everywhere.
        """
        scores: Tensor = self.score(queries, memory.keys, previous)
        if self.lag_bias is None:
            scores = scores.float()
        else:  # the sum with float32 is float32
            scores = scores + self.lag_bias[first_step - 1 : first_step - 1 + queries.shape[1]]
        if self.focus is not None:
            scores = self._focused(scores, queries, memory, first_step)
        if memory.hidden is None:
            return self.normalise(scores)
        return self.normalise(scores.masked_fill(memory.hidden, LOWEST)).masked_fill(memory.hidden, 0.0)

    def _focused(self, scores: Tensor, queries: Tensor, memory: Memory, first_step: int) -> Tensor:
        """Scores within the focus; one that lies wholly on missing steps is dropped: any observed step beats none."""
        assert self.focus is not None
        focused: Tensor = scores + self.focus(scores, queries, first_step).float()
        open_scores = focused if memory.hidden is None else focused.masked_fill(memory.hidden, -torch.inf)
        lost = open_scores.amax(dim=-1, keepdim=True) == -torch.inf
        return torch.where(lost, scores, focused)


def _score_function(config: ModelConfig, context: int) -> ScoreFunction:
    match config.score:
        case "dot":
            return DotScore()
        case "general":
            return GeneralScore(config.hidden)
        case "concat" | "additive":
            return ConcatScore(config.hidden)
        case "hybrid":
            return HybridScore(config.hidden)
        case "location":
            return LocationScore(config.hidden, context)
        case "cosine":
            return CosineScore()


def _focus(config: ModelConfig, season: int) -> nn.Module | None:
    """What narrows attention; None when every context step may be attended (Luong 2015, section 3.1)."""
    match config.attention:
        case "local-m":
            return LocalMonotonicFocus(season)
        case "local-p":
            return LocalPredictiveFocus(config.hidden, season)
        case _:
            return None
