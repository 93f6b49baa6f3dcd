"""Score functions, one small class per published equation, and what turns scores into weights.

Notation: encoder states h-bar_s, s = 1..S (context); decoder states h_t, t = 1..T (horizon, or 1 when stepping). With
segments, narrow queries and keys take the place of the states; see `model.attention.NarrowKeys`.
Dimension names in shape comments: batch, horizon (T), context (S), width.

Luong, Pham, Manning 2015, "Effective Approaches to Attention-based Neural Machine Translation" (arXiv 1508.04025);
Bahdanau, Cho, Bengio 2015 (arXiv 1409.0473); Vinyals et al. 2015 (arXiv 1412.7449); Chorowski et al. 2015 (arXiv
1506.07503); Martins and Astudillo 2016 (arXiv 1602.02068).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqcast.config import ModelConfig
from seqcast.errors import UsageError, option
from seqcast.model.segments import Segments


def softmax(scores: Tensor) -> Tensor:
    """exp(z_s) / sum exp(z) along the last axis."""
    return torch.softmax(scores, dim=-1)


def sparsemax(scores: Tensor) -> Tensor:
    """max(z_s - tau, 0) along the last axis, tau such that they sum to 1 (Martins and Astudillo 2016, algorithm 1).

    Scores well below the highest get exactly no weight.
    """
    scores = scores - scores.amax(dim=-1, keepdim=True)  # beside a masked score a 1 would be lost
    ordered = scores.sort(dim=-1, descending=True).values
    rank = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    sums = ordered.cumsum(dim=-1)
    support = (1 + rank * ordered > sums).sum(dim=-1, keepdim=True)
    threshold = (sums.gather(-1, support - 1) - 1) / support
    return (scores - threshold).clamp(min=0)


@dataclass(frozen=True)
class Keys:
    """What queries are compared with at each context step: k_s = states_j(s) + V steps_s + positions_s.

    A product with a query is then the sum of three small products, and the keys themselves need not be written out.
    """

    segments: Segments
    states: Tensor
    """(batch, n, width) the part that the steps of a segment share; with W = 1 it is all there is."""
    steps: Tensor | None = None
    """(batch, context, inputs) of single steps."""
    step_weight: Tensor | None = None
    """(width, inputs) V."""
    positions: Tensor | None = None
    """(context, width) the part that windows share."""

    def dot(self, queries: Tensor) -> Tensor:
        """Products q . k_s (batch, rows, context) of queries (batch, rows, width)."""
        products = torch.bmm(queries, self.states.transpose(1, 2))
        if self.steps is None or self.step_weight is None or self.positions is None:
            return products
        of_steps = torch.bmm(queries @ self.step_weight, self.steps.transpose(1, 2))
        return self.segments.repeat_columns(products) + of_steps + queries @ self.positions.T

    def whole(self) -> Tensor:
        """The keys (batch, context, width), written out."""
        if self.steps is None or self.step_weight is None or self.positions is None:
            return self.states
        return self.segments.repeat_over_context(self.states) + self.steps @ self.step_weight.T + self.positions


class ScoreFunction(nn.Module, ABC):
    """How well each context step answers each decoder state."""

    def prepare(self, keys: Keys) -> Keys:
        """Do what need be done only once per window."""
        return keys

    def start_silent(self) -> None:
        """Make every score zero until training raises it, so that a lag bias is heard alone; not every score can."""

    def resize(self, context: int) -> None:
        """Look at the newest `context` steps from now on."""

    @abstractmethod
    def forward(self, queries: Tensor, keys: Keys, previous: Tensor | None = None) -> Tensor:
        """Scores (batch, rows, context) of queries (batch, rows, width).

        `previous` are the weights (batch, 1, context) of the step before, for a score that wants them.
        """


class DotScore(ScoreFunction):
    """score(h_t, h-bar_s) = h_t . h-bar_s (Luong 2015, section 3.1)."""

    def forward(self, queries: Tensor, keys: Keys, previous: Tensor | None = None) -> Tensor:
        return keys.dot(queries)


class GeneralScore(ScoreFunction):
    """score(h_t, h-bar_s) = h_t^T W_a h-bar_s (Luong 2015, section 3.1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width, bias=False)

    def start_silent(self) -> None:
        nn.init.zeros_(self.projection.weight)

    def forward(self, queries: Tensor, keys: Keys, previous: Tensor | None = None) -> Tensor:
        return keys.dot(queries @ self.projection.weight.to(queries.dtype))  # (h_t^T W_a), as there are fewer queries


class CosineScore(ScoreFunction):
    """score(h_t, h-bar_s) = temperature * cos(h_t, h-bar_s), the temperature learned."""

    def __init__(self) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(math.log(5.0)))

    def prepare(self, keys: Keys) -> Keys:
        return Keys(keys.segments, functional.normalize(keys.whole(), dim=-1))

    def forward(self, queries: Tensor, keys: Keys, previous: Tensor | None = None) -> Tensor:
        return keys.dot(functional.normalize(queries, dim=-1)) * self.log_temperature.exp()


class ConcatScore(ScoreFunction):
    """score(h_t, h-bar_s) = v_a^T tanh(W_a [h_t; h-bar_s]) (Luong 2015, section 3.1), W_a full.

    W_a is held as its two blocks, so the encoder's half is computed once per window. With the *previous* decoder state
    as query this is Bahdanau's additive score v^T tanh(W s_{t-1} + U h-bar_s) (arXiv 1409.0473, A.1.2).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query_block = nn.Linear(width, width, bias=False)
        self.key_block = nn.Linear(width, width)
        self.vector = nn.Linear(width, 1, bias=False)

    def start_silent(self) -> None:
        nn.init.zeros_(self.vector.weight)

    def prepare(self, keys: Keys) -> Keys:
        return Keys(keys.segments, self.key_block(keys.whole()))

    def forward(self, queries: Tensor, keys: Keys, previous: Tensor | None = None) -> Tensor:
        asked = self.query_block(queries)[:, :, None]
        mixed = torch.tanh(asked + keys.states[:, None])  # (batch, rows, context, width)
        scores: Tensor = self.vector(mixed).squeeze(-1)
        return scores


class LocationScore(ScoreFunction):
    """a_t = softmax(W_a h_t) over positions (Luong 2015, equation 8): a position of a fixed context is a lag."""

    def __init__(self, hidden: int, context: int) -> None:
        super().__init__()
        self.projection = nn.Linear(hidden, context, bias=False)

    def start_silent(self) -> None:
        nn.init.zeros_(self.projection.weight)

    def resize(self, context: int) -> None:
        require_known_positions("location scores know", self.projection.out_features, context)
        weight = self.projection.weight.detach()[-context:]
        self.projection = nn.Linear(weight.shape[1], context, bias=False)
        self.projection.weight = nn.Parameter(weight)

    def forward(self, queries: Tensor, keys: Keys, previous: Tensor | None = None) -> Tensor:
        scores: Tensor = self.projection(queries)
        return scores


def require_known_positions(who_knows: str, num_positions: int, context: int) -> None:
    """Raise a UsageError for a context with more positions than were learned."""
    if context > num_positions:
        raise UsageError(
            f"{option('context', context)}: {who_knows} the {num_positions} positions of the trained context and no"
            " others.",
            hint=f"Give at most {num_positions}, or train with {option('context', context)}.",
        )


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

    def forward(self, queries: Tensor, keys: Keys, previous: Tensor | None = None) -> Tensor:
        if previous is not None:
            features = self.convolution(previous).transpose(1, 2)  # (batch, context, channels)
            keys = replace(keys, states=keys.states + self.location_block(features))
        return super().forward(queries, keys)


def build_score(config: ModelConfig, width: int, context: int) -> ScoreFunction:
    """The score function of a configuration, for queries and keys of this width."""
    match config.score:
        case "dot":
            return DotScore()
        case "general":
            return GeneralScore(width)
        case "concat" | "additive":
            return ConcatScore(width)
        case "hybrid":
            return HybridScore(width)
        case "location":
            return LocationScore(width, context)
        case "cosine":
            return CosineScore()
