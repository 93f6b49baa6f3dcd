"""Attention of forecast steps over context steps: focus, lag bias, and what the decoder gets from both.

Notation: context steps s = 1..C, forecast steps t = 1..H; past segments j = 1..n and future segments i = 1..m with
encoder states h-bar_j and decoder states h_i. With segments of one step these are Luong's h-bar_s and h_t.
Dimension names in shape comments: batch, horizon (H), context (C), segments, hidden.

Luong, Pham, Manning 2015, "Effective Approaches to Attention-based Neural Machine Translation" (arXiv 1508.04025).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqcast.config import ModelConfig
from seqcast.model.scores import DotScore, Keys, build_score, require_known_positions, softmax, sparsemax
from seqcast.model.segments import NUM_PERIODS, Segments, position_features

LOWEST = -1e9
"""Score of a step that may not be attended."""
LEAST_EXPONENT = -40.0
"""Smallest exponent of a factor of the factorised softmax, relative to the highest; e^-40 is 0 beside 1 in float32."""


class Focus(nn.Module, ABC):
    """What narrows attention to a part of the context."""

    def resize(self, context: int) -> None:
        """Look at the newest `context` steps from now on."""

    @abstractmethod
    def forward(self, scores: Tensor, queries: Tensor, first_step: int, in_segment: Tensor) -> Tensor:
        """Log-weights to add to `scores` (batch, horizon, context), whose first row is forecast step `first_step`.

        `in_segment` (horizon,) counts the steps of each segment from 0.
        """


class LocalMonotonicFocus(Focus):
    """Only [p_t - D, p_t + D] may be attended, p_t = S - m k + t with m the season (Luong 2015, local-m).

    Luong's p_t = t is for translation. A forecast looks one season back: k is the fewest seasons with p_t <= S.
    """

    def __init__(self, season: int) -> None:
        super().__init__()
        self.season, self.reach = season, max(1, season // 4)

    def forward(self, scores: Tensor, queries: Tensor, first_step: int, in_segment: Tensor) -> Tensor:
        horizon, context = scores.shape[1:]
        step = torch.arange(first_step, first_step + horizon, device=scores.device)[:, None]
        seasons_back = torch.div(step + self.season - 1, self.season, rounding_mode="floor")
        centre = (context - self.season * seasons_back + step).clamp(min=1)
        position = torch.arange(1, context + 1, device=scores.device)[None]
        outside = (position - centre).abs() > self.reach  # (horizon, context)
        return torch.zeros_like(outside, dtype=scores.dtype).masked_fill(outside, -torch.inf)


class LocalPredictiveFocus(Focus):
    """p_t = S sigmoid(v_p^T tanh(W_p h_t)), weights times exp(-(s - p_t)^2 / 2 sigma^2) (Luong 2015, eqs. 9, 10).

    sigma is half the reach D, here half a season. The weights are made to sum to 1 again, so that they stay shares. The
    steps of a segment share p_t, which moves on by one with each of them.
    """

    def __init__(self, hidden: int, season: int, num_positions: int) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(hidden, hidden, bias=False)
        self.position_layer = nn.Linear(hidden, 1, bias=False)
        self.sigma, self.num_positions = max(2, season) / 2, num_positions

    def resize(self, context: int) -> None:
        require_known_positions("local-p knows", self.num_positions, context)

    def forward(self, scores: Tensor, queries: Tensor, first_step: int, in_segment: Tensor) -> Tensor:
        relative = torch.sigmoid(self.position_layer(torch.tanh(self.hidden_layer(queries))))
        first = self.num_positions - scores.shape[2] + 1  # of a shorter context than the trained one
        position = torch.arange(first, self.num_positions + 1, device=scores.device)[None, None]
        centre = self.num_positions * relative + in_segment[:, None]  # (batch, horizon, 1)
        distance: Tensor = (position - centre) / self.sigma  # (batch, horizon, context)
        return -0.5 * distance**2


@dataclass(frozen=True)
class Memory:
    """What the decoder may look at, computed once per window."""

    states: Tensor
    """(batch, n, hidden) encoder states, one per segment."""
    keys: Keys
    """As the score function wants them."""
    asked: Tensor | None
    """(batch or 1, horizon or m, width) part of each query that is known in advance; None when W = 1."""
    values: Tensor
    """(batch, context) standardised target, 0 where it was not observed."""
    observed: Tensor
    """(batch, context) True on steps that may be attended."""
    all_observed: bool
    """Whether no mask is needed; a mask that hides nothing changes no number."""
    keep: Tensor | None = None
    """(horizon, context) True on weights the decoder may use. The others are removed, and those left to a step are made
    to sum to 1 again; None: all. It serves to ask what attended steps are worth."""
    order: Tensor | None = None
    """(horizon, context) position whose weight each position is given instead of its own; None: its own. For the same
    use."""


@dataclass(frozen=True)
class Look:
    """What some forecast steps saw in the context."""

    copied: Tensor
    """(batch, steps) attended values, sum_s a_ts z_s."""
    context: Tensor
    """(batch, segments, hidden) context vectors c_i."""
    weights: Tensor | None
    """(batch, steps, context); None where they were not written out."""


@dataclass(frozen=True)
class StepInputs:
    """How many inputs single steps have, beside the states of their segments."""

    of_context: int
    of_horizon: int
    queries_per_step: bool
    """Whether every forecast step asks for itself; otherwise the steps of a segment ask together."""


class NarrowKeys(nn.Module):
    """k_s = W_k h-bar_j(s) + V f_s and q_t = W_q h_i(t) + U g_t: what makes attention per step over segments.

    f_s is what is known of a context step: value, observed or not, covariates, and position relative to the origin,
    without which a content score could not find a fixed lag. g_t is the same of a forecast step, without a value and
    with the static covariates; where the steps of a segment ask together it is the mean over them.
    """

    WIDTH = 32

    def __init__(self, hidden: int, segments: Segments, inputs: StepInputs) -> None:
        super().__init__()
        self.segments, self.queries_per_step = segments, inputs.queries_per_step
        self.longest = segments.context + segments.horizon  # stays when the context is resized, as periods follow it
        self.past_state = nn.Linear(hidden, self.WIDTH, bias=False)
        self.past_step = nn.Linear(inputs.of_context, self.WIDTH, bias=False)
        self.past_position = nn.Linear(2 * NUM_PERIODS, self.WIDTH)
        self.future_state = nn.Linear(hidden, self.WIDTH, bias=False)
        self.future_step = nn.Linear(inputs.of_horizon, self.WIDTH, bias=False) if inputs.of_horizon else None
        self.future_position = nn.Linear(2 * NUM_PERIODS, self.WIDTH)

    def start_silent(self) -> None:
        """Make every query zero until training raises it."""
        for layer in (self.future_state, self.future_step, self.future_position):
            if layer is not None:
                nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.future_position.bias)

    def keys(self, states: Tensor, steps: Tensor) -> Keys:
        """The keys of encoder states (batch, n, hidden) and context steps (batch, context, inputs)."""
        times = torch.arange(1 - self.segments.context, 1, device=states.device)
        position = self.past_position(position_features(times, self.longest))
        return Keys(self.segments, self.past_state(states), steps, self.past_step.weight, position)

    def asked(self, future: Tensor) -> Tensor:
        """U g_t (batch or 1, horizon or m, WIDTH) of forecast steps with known inputs (batch, horizon, inputs)."""
        times = torch.arange(1, self.segments.horizon + 1, device=future.device)
        asked: Tensor = self.future_position(position_features(times, self.longest))[None]
        if self.future_step is not None:
            asked = asked + self.future_step(future)
        return asked if self.queries_per_step else self.segments.mean_over_horizon(asked)


class LagAttention(nn.Module):
    """Attention weights a_t = softmax over context of score + lag bias, within a focus.

    The lag bias is a learned number per (forecast step, context position): what the step looks at before it has seen
    any content. The context of a window is fixed, so a position is a lag.

    Weights are per step, (H, C), whatever the length W of a segment. Where all steps of a segment ask together, softmax
    factorises: exp(score + bias) = exp(score) exp(bias), with exp(score) per (segment, step) and exp(bias) the same for
    every window. So attended values and context vectors are had without writing the weights out; `look` does so where
    weights are not wanted. The numbers are the same but for rounding.
    """

    def __init__(self, config: ModelConfig, segments: Segments, season: int, inputs: StepInputs) -> None:
        super().__init__()
        self.segments, self.queries_per_step = segments, inputs.queries_per_step
        self.narrow = NarrowKeys(config.hidden, segments, inputs) if segments.length > 1 else None
        width = config.hidden if self.narrow is None else NarrowKeys.WIDTH
        self.score = build_score(config, width, segments.context)
        self.focus = _focus(config, width, season, segments.context)
        self.lag_bias = nn.Parameter(torch.zeros(segments.horizon, segments.context)) if config.lag_bias else None
        self.normalise = softmax if config.normaliser == "softmax" else sparsemax

    @property
    def factorises(self) -> bool:
        """Whether the weights need not be written out."""
        return (
            self.narrow is not None
            and not self.queries_per_step
            and self.lag_bias is not None
            and self.focus is None
            and self.normalise is softmax
        )

    def start_at(self, weights: Tensor) -> None:
        """Let the lag bias alone say these weights (horizon, context), positive and of sum 1.

        Sparsemax projects scores on such weights, so these themselves are the scores that give them.
        """
        assert self.lag_bias is not None
        self.score.start_silent()
        if self.narrow is not None and isinstance(self.score, DotScore):
            self.narrow.start_silent()
        self.lag_bias.copy_(weights if self.normalise is sparsemax else torch.log(weights))

    def resize(self, segments: Segments) -> None:
        """Look at another context from now on.

        What knows positions keeps those of the newest steps. A lag bias goes on before them with each step's lowest
        one, so that only content draws attention to lags that were never learned.
        """
        more = segments.context - self.segments.context
        self.segments = segments
        self.score.resize(segments.context)
        if self.focus is not None:
            self.focus.resize(segments.context)
        if self.narrow is not None:
            self.narrow.segments = segments
        if self.lag_bias is not None:
            bias = self.lag_bias.detach()
            lowest = bias.amin(dim=1, keepdim=True).expand(-1, max(0, more))
            self.lag_bias = nn.Parameter(torch.cat([lowest, bias], dim=1)[:, -segments.context :])

    def remember(self, states: Tensor, values: Tensor, observed: Tensor, steps: Tensor, future: Tensor) -> Memory:
        """Prepare a context to be attended.

        Args:
            states: (batch, n, hidden) of the encoder.
            values: (batch, context) standardised target.
            observed: (batch, context) True where it was observed.
            steps: (batch, context, inputs) of single context steps.
            future: (batch, horizon, inputs) of single forecast steps, and the static covariates with each.
        """
        keys = Keys(self.segments, states) if self.narrow is None else self.narrow.keys(states, steps)
        asked = None if self.narrow is None else self.narrow.asked(future)
        return Memory(states, self.score.prepare(keys), asked, values, observed, _known_whole(observed))

    def look(self, states: Tensor, memory: Memory, first: int, previous: Tensor | None, *, write_out: bool) -> Look:
        """Attend with the decoder states (batch, segments, hidden) of segments `first` (from 0), `first` + 1, ...

        `previous` are the weights (batch, 1, context) of the segment before, which the hybrid score asks for.
        `write_out` asks for the weights themselves.
        """
        untouched = memory.keep is None and memory.order is None
        if self.factorises and untouched and not write_out:
            return self._factorised(states, memory, first)
        steps = self.segments.steps_of(first, first + states.shape[1] - 1)
        weights = self.weights(states, memory, first, previous)
        if memory.order is not None:
            weights = weights.gather(-1, memory.order[steps].expand_as(weights))
        if memory.keep is not None:
            kept = weights * memory.keep[steps]
            weights = kept / kept.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(kept.dtype).tiny)
        with torch.autocast(weights.device.type, enabled=False):
            copied = torch.bmm(weights, memory.values[:, :, None])[..., 0]
        mass = self.segments.mean_over_horizon(self.segments.sum_over_context(weights))  # (batch, segments, n)
        return Look(copied, torch.bmm(mass.to(memory.states.dtype), memory.states), weights)

    def weights(self, states: Tensor, memory: Memory, first: int = 0, previous: Tensor | None = None) -> Tensor:
        """Weights (batch, steps, context) of the steps of these segments; arguments as `look`.

        Steps that were not observed get no weight; a window without any observed step gets zeros everywhere.
        """
        steps = self.segments.steps_of(first, first + states.shape[1] - 1)
        num_steps = steps.stop - steps.start
        queries = self._queries(states, memory, first)
        scores: Tensor = self.score(queries, memory.keys, previous)
        if not self.queries_per_step:
            scores = self.segments.repeat_over_horizon(scores, num_steps)
        scores = scores.float() if self.lag_bias is None else scores + self.lag_bias[steps]
        if self.focus is not None:
            if not self.queries_per_step:
                queries = self.segments.repeat_over_horizon(queries, num_steps)
            scores = self._focused(scores, queries, memory, steps.start)
        if memory.all_observed:
            return self.normalise(scores)
        hidden = ~memory.observed[:, None]
        return self.normalise(scores.masked_fill(hidden, LOWEST)).masked_fill(hidden, 0.0)

    def _queries(self, states: Tensor, memory: Memory, first: int) -> Tensor:
        """(batch, segments or steps, width) queries of segments `first`, `first` + 1, ..."""
        if self.narrow is None:
            return states
        assert memory.asked is not None
        queries: Tensor = self.narrow.future_state(states)
        rows = slice(first, first + states.shape[1])
        if self.queries_per_step:
            rows = self.segments.steps_of(first, rows.stop - 1)
            queries = self.segments.repeat_over_horizon(queries, rows.stop - rows.start)
        return queries + memory.asked[:, rows]

    def _factorised(self, states: Tensor, memory: Memory, first: int) -> Look:
        """Attended values and context vectors without the weights.

        With E_is = exp(score_is - max) on observed steps and K_ts = exp(b_ts - max), a_ts = E_is K_ts / sum_s E_is K_ts
        for t in segment i. Both exponents are cut at `LEAST_EXPONENT`, so that no sum of products vanishes.
        """
        assert self.lag_bias is not None
        cut, num_segments = self.segments, states.shape[1]
        bias = self.lag_bias[cut.steps_of(first, first + num_segments - 1)]
        scores = self.score(self._queries(states, memory, first), memory.keys).float().transpose(0, 1)
        with torch.autocast(scores.device.type, enabled=False):
            if not memory.all_observed:
                scores = scores.masked_fill(~memory.observed, LOWEST)  # (segments, batch, context)
            exp_score = (scores - scores.amax(dim=-1, keepdim=True)).clamp(min=LEAST_EXPONENT).exp()
            if not memory.all_observed:
                exp_score = exp_score * memory.observed
            exp_bias = (bias - bias.amax(dim=-1, keepdim=True)).clamp(min=LEAST_EXPONENT).exp()
            missing = num_segments * cut.length - len(bias)
            exp_bias = torch.unflatten(functional.pad(exp_bias, (0, 0, 0, missing)), 0, (num_segments, cut.length))
            by_segment = cut.split_context(exp_score) @ cut.split_context(exp_bias).transpose(2, 3)
            mass = by_segment.sum(dim=1)  # (segments, batch, W), of (segments, n, batch, W)
            mass = mass.masked_fill(mass == 0, 1.0)  # of windows without an observed step, and beyond the horizon
            copied = torch.bmm(exp_score * memory.values, exp_bias.transpose(1, 2)) / mass
            share = (by_segment / mass[:, None]).sum(dim=-1).permute(2, 0, 1)  # (batch, segments, n)
        num_steps = torch.full((num_segments, 1), float(cut.length), device=bias.device)
        num_steps[-1] -= missing
        states = memory.states.float()
        context = ((share / num_steps)[..., None] * states[:, None]).sum(dim=2)  # (batch, segments, hidden)
        return Look(copied.transpose(0, 1).flatten(1)[:, : len(bias)], context, None)

    def _focused(self, scores: Tensor, queries: Tensor, memory: Memory, first_step: int) -> Tensor:
        """Scores within the focus; one that lies wholly on missing steps is dropped: any observed step beats none."""
        assert self.focus is not None
        in_segment = torch.arange(first_step, first_step + scores.shape[1], device=scores.device) % self.segments.length
        focused: Tensor = scores + self.focus(scores, queries, first_step + 1, in_segment).float()
        hidden = ~memory.observed[:, None]
        open_scores = focused if memory.all_observed else focused.masked_fill(hidden, -torch.inf)
        lost = open_scores.amax(dim=-1, keepdim=True) == -torch.inf
        return torch.where(lost, scores, focused)


def _known_whole(observed: Tensor) -> bool:
    """Whether every step is known to be observed. A GPU is not asked, as the processor would have to wait for it."""
    return observed.device.type == "cpu" and bool(observed.all())


def _focus(config: ModelConfig, width: int, season: int, context: int) -> Focus | None:
    """What narrows attention; None when every context step may be attended (Luong 2015, section 3.1)."""
    match config.attention:
        case "local-m":
            return LocalMonotonicFocus(season)
        case "local-p":
            return LocalPredictiveFocus(width, season, context)
        case _:
            return None
