import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcast.config import ModelConfig
from seqcast.model.attention import LagAttention, Memory, StepInputs
from seqcast.model.scores import sparsemax
from seqcast.model.segments import Segments
from tests.panels import randomise

BATCH, HORIZON, CONTEXT, HIDDEN, SEASON = 2, 5, 11, 3, 7
SCORES = ("dot", "general", "concat", "additive", "location", "cosine", "hybrid")
NORMALISERS = ("softmax", "sparsemax")
FOCUSES = ("global", "local-m", "local-p")

Array = NDArray[np.float64]


def make_attention(season: int = SEASON, seed: int = 0, **model: Any) -> LagAttention:
    config = ModelConfig(**{"hidden": HIDDEN, "lag_bias": False, **model})
    steps = StepInputs(of_context=0, of_horizon=0, queries_per_step=False)
    attention = LagAttention(config, Segments(1, CONTEXT, HORIZON), season, steps)
    randomise(attention, seed, spread=0.7)
    return attention


def remember(attention: LagAttention, states: Tensor, observed: Tensor) -> Memory:
    """A context without values or inputs of single steps."""
    return attention.remember(
        states, torch.zeros(observed.shape), observed, states[..., :0], torch.empty(len(states), HORIZON, 0)
    )


@pytest.fixture
def queries() -> Tensor:
    return torch.randn(BATCH, HORIZON, HIDDEN, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def states() -> Tensor:
    return torch.randn(BATCH, CONTEXT, HIDDEN, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def observed() -> Tensor:
    mask = torch.ones(BATCH, CONTEXT, dtype=torch.bool)
    mask[0, [0, 4]] = False
    mask[1, [2, 9, 10]] = False
    return mask


def array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def score_of(attention: LagAttention, name: str, h: Array, states: Array) -> list[float]:
    """score(h_t, h-bar_s) for each s, as the papers write it."""
    weights = {key: array(value) for key, value in attention.score.named_parameters()}
    scores = []
    for s, state in enumerate(states):
        match name:
            case "dot":
                score = sum(h[i] * state[i] for i in range(HIDDEN))
            case "general":
                score = h @ weights["projection.weight"] @ state
            case "concat" | "additive" | "hybrid":  # a hybrid score has no step before its first
                w_a = np.hstack([weights["query_block.weight"], weights["key_block.weight"]])
                inner = w_a @ np.concatenate([h, state]) + weights["key_block.bias"]
                score = weights["vector.weight"][0] @ np.tanh(inner)
            case "location":
                score = weights["projection.weight"][s] @ h
            case _:
                cosine = h @ state / math.sqrt((h @ h) * (state @ state))
                score = math.exp(float(weights["log_temperature"])) * cosine
        scores.append(float(score))
    return scores


def focus_of(attention: LagAttention, name: str, h: Array, step: int, season: int = SEASON) -> list[float]:
    """The factor by which each weight is multiplied before the weights are made to sum to 1."""
    if name == "global":
        return [1.0] * CONTEXT
    if name == "local-m":
        seasons_back = next(k for k in range(1, 100) if CONTEXT - season * k + step <= CONTEXT)
        centre = max(1, CONTEXT - season * seasons_back + step)
        reach = max(1, season // 4)
        return [1.0 if abs(s - centre) <= reach else 0.0 for s in range(1, CONTEXT + 1)]
    weights = {key: array(value) for key, value in attention.focus.named_parameters()}
    inner = weights["position_layer.weight"][0] @ np.tanh(weights["hidden_layer.weight"] @ h)
    centre, sigma = CONTEXT / (1 + math.exp(-inner)), season / 2
    return [math.exp(-((s - centre) ** 2) / (2 * sigma**2)) for s in range(1, CONTEXT + 1)]


def weights_of(scores: list[float], factors: list[float], seen: list[bool]) -> list[float]:
    raised = [
        math.exp(score) * factor if one_seen else 0.0
        for score, factor, one_seen in zip(scores, factors, seen, strict=True)
    ]
    return [number / sum(raised) for number in raised]


def reference(
    attention: LagAttention, names: tuple[str, str], queries: Tensor, states: Tensor, observed: Tensor
) -> Array:
    """The weights of a (score, focus), one window, one forecast step and one context step after the other."""
    score, focus = names
    result = np.zeros((BATCH, HORIZON, CONTEXT))
    bias = np.zeros((HORIZON, CONTEXT)) if attention.lag_bias is None else array(attention.lag_bias)
    for b in range(BATCH):
        for t in range(HORIZON):
            h = array(queries[b, t])
            plain = score_of(attention, score, h, array(states[b]))
            scores = [number + added for number, added in zip(plain, bias[t].tolist(), strict=True)]
            factors = focus_of(attention, focus, h, t + 1)
            result[b, t] = weights_of(scores, factors, observed[b].tolist())
    return result


PAIRS = [(score, "global") for score in SCORES]
PAIRS += [(score, focus) for score in ("general", "concat") for focus in ("local-m", "local-p")]


@pytest.mark.parametrize(
    ("score", "focus", "lag_bias"),
    [*((*pair, False) for pair in PAIRS), *(("dot", focus, True) for focus in FOCUSES)],
)
def test_weights_of_each_score_and_focus_equal_a_plain_loop(
    score: str, focus: str, lag_bias: bool, queries: Tensor, states: Tensor, observed: Tensor
) -> None:
    attention = make_attention(score=score, attention=focus, lag_bias=lag_bias)

    weights = attention.weights(queries, remember(attention, states, observed))

    expected = reference(attention, (score, focus), queries, states, observed)
    np.testing.assert_allclose(array(weights), expected, atol=1e-6)


def test_local_m_looks_one_season_back(queries: Tensor, states: Tensor) -> None:
    attention = make_attention(score="dot", attention="local-m")
    everything = torch.ones(BATCH, CONTEXT, dtype=torch.bool)

    weights = array(attention.weights(queries, remember(attention, states, everything)))

    # Step 1, season 7, context 11: position 5 of 1..11 is one season before the forecast step; the reach is 1.
    assert (weights[:, 0, 3:6] > 0).all()
    assert (np.delete(weights[:, 0], [3, 4, 5], axis=1) == 0).all()


def test_local_m_stays_inside_a_context_shorter_than_the_season(queries: Tensor, states: Tensor) -> None:
    attention = make_attention(season=29, score="dot", attention="local-m")
    everything = torch.ones(BATCH, CONTEXT, dtype=torch.bool)

    weights = attention.weights(queries, remember(attention, states, everything))

    np.testing.assert_allclose(array(weights).sum(axis=-1), 1, atol=1e-6)
    assert (array(weights)[:, 0, 0] > 0).all()


@pytest.mark.parametrize("focus", FOCUSES)
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_steps_that_were_not_observed_get_exactly_nothing(
    normaliser: str, score: str, focus: str, queries: Tensor, states: Tensor, observed: Tensor
) -> None:
    attention = make_attention(score=score, attention=focus, normaliser=normaliser, lag_bias=True)

    weights = attention.weights(queries, remember(attention, states, observed))

    assert (weights[~observed[:, None].expand_as(weights)] == 0).all()
    np.testing.assert_allclose(array(weights).sum(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("focus", FOCUSES)
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_a_window_without_any_observed_step_gets_zeros_and_finite_gradients(
    normaliser: str, score: str, focus: str, queries: Tensor, states: Tensor, observed: Tensor
) -> None:
    attention = make_attention(score=score, attention=focus, normaliser=normaliser, lag_bias=True)
    observed[1] = False
    states.requires_grad_()

    weights = attention.weights(queries, remember(attention, states, observed))
    torch.sum(weights[..., 1] * 3 + weights[..., 7]).backward()

    assert (weights[1] == 0).all()
    assert (weights[0].sum(dim=-1) > 0.99).all()
    gradients = [states.grad, *(parameter.grad for parameter in attention.parameters())]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients if gradient is not None)


def test_a_focus_wholly_on_missing_steps_falls_back_to_the_observed_ones(queries: Tensor, states: Tensor) -> None:
    attention = make_attention(score="dot", attention="local-m")
    observed = torch.ones(BATCH, CONTEXT, dtype=torch.bool)
    observed[0, 3:6] = False  # all that step 1 may look at
    memory = remember(attention, states, observed)

    weights = array(attention.weights(queries, memory))

    seen = observed[0].tolist()
    expected = weights_of(score_of(attention, "dot", array(queries[0, 0]), array(states[0])), [1.0] * CONTEXT, seen)
    np.testing.assert_allclose(weights[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("focus", FOCUSES)
@pytest.mark.parametrize("score", SCORES)
def test_one_step_at_a_time_gets_the_weights_of_all_steps_at_once(
    score: str, focus: str, queries: Tensor, states: Tensor, observed: Tensor
) -> None:
    attention = make_attention(score=score, attention=focus, lag_bias=True)
    memory = remember(attention, states, observed)

    together = attention.weights(queries, memory)
    one_by_one = [attention.weights(queries[:, t - 1 : t], memory, first=t - 1) for t in range(1, HORIZON + 1)]

    np.testing.assert_allclose(array(torch.cat(one_by_one, dim=1)), array(together), atol=1e-6)


@pytest.mark.parametrize("focus", FOCUSES)
def test_a_whole_window_gets_the_same_weights_beside_a_window_with_holes(
    focus: str, queries: Tensor, states: Tensor, observed: Tensor
) -> None:
    attention = make_attention(attention=focus, lag_bias=True)
    observed[0] = True

    beside = attention.weights(queries, remember(attention, states, observed))
    alone = attention.weights(queries[:1], remember(attention, states[:1], observed[:1]))

    np.testing.assert_allclose(array(beside[:1]), array(alone), atol=1e-6)


def sparsemax_of(scores: Array) -> Array:
    """max(z - tau, 0) with the tau at which this sums to 1, found by halving."""
    low, high = scores.max() - 1, scores.max()
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(scores - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(scores - low, 0)


def test_sparsemax_is_what_remains_above_a_threshold() -> None:
    scores = torch.randn(5, 7, 11, generator=torch.Generator().manual_seed(1)) * 2

    weights = array(sparsemax(scores))

    np.testing.assert_allclose(weights, np.apply_along_axis(sparsemax_of, 2, array(scores)), atol=1e-6)
    assert 0.3 < (weights == 0).mean() < 0.95


@pytest.mark.parametrize("focus", FOCUSES)
def test_sparsemax_weights_are_those_of_the_scores_of_the_observed_steps(
    focus: str, queries: Tensor, states: Tensor, observed: Tensor
) -> None:
    attention = make_attention(score="dot", attention=focus, normaliser="sparsemax")

    weights = array(attention.weights(queries, remember(attention, states, observed)))

    for b in range(BATCH):
        for t in range(HORIZON):
            with np.errstate(divide="ignore"):
                focused = np.log(focus_of(attention, focus, array(queries[b, t]), t + 1))
            scores = np.array(score_of(attention, "dot", array(queries[b, t]), array(states[b]))) + focused
            seen = observed[b].numpy()
            np.testing.assert_allclose(weights[b, t][seen], sparsemax_of(scores[seen]), atol=1e-5)


def test_the_hybrid_score_adds_what_a_convolution_finds_in_the_weights_of_the_step_before(
    queries: Tensor, states: Tensor, observed: Tensor
) -> None:
    attention = make_attention(score="hybrid")
    memory = remember(attention, states, observed)
    before = attention.weights(queries[:, :1], memory)

    weights = attention.weights(queries[:, 1:2], memory, first=1, previous=before)

    p = {key: array(value) for key, value in attention.score.named_parameters()}
    filters, reach = p["convolution.weight"][:, 0], p["convolution.weight"].shape[-1] // 2
    for b in range(BATCH):
        scores = []
        for s in range(CONTEXT):
            near = [array(before)[b, 0, r] if 0 <= r < CONTEXT else 0.0 for r in range(s - reach, s + reach + 1)]
            inner = p["query_block.weight"] @ array(queries[b, 1]) + p["key_block.weight"] @ array(states[b, s])
            inner = inner + p["key_block.bias"] + p["location_block.weight"] @ (filters @ np.array(near))
            scores.append(float(p["vector.weight"][0] @ np.tanh(inner)))
        expected = weights_of(scores, [1.0] * CONTEXT, observed[b].tolist())
        np.testing.assert_allclose(array(weights[b, 0]), expected, atol=1e-6)
