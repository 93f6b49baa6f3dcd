"""Context and horizon cut into segments, and attention that does not write its weights out."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcast.config import ModelConfig
from seqcast.model.attention import LagAttention, Look, Memory, StepInputs
from seqcast.model.segments import Segments, position_features
from tests.panels import randomise

BATCH, HORIZON, CONTEXT, HIDDEN, FEATURES = 3, 7, 11, 5, 2
LENGTHS = (1, 2, 3, 5, 13)


@pytest.fixture(params=LENGTHS)
def cut(request: pytest.FixtureRequest) -> Segments:
    return Segments(request.param, CONTEXT, HORIZON)


def numbers(*size: int, seed: int = 1) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def segment_of_context_step(cut: Segments, step: int) -> int:
    """Segments are counted back from the origin, so that only the oldest may be short."""
    return cut.num_past - 1 - (CONTEXT - 1 - step) // cut.length


def test_every_step_is_in_one_segment(cut: Segments) -> None:
    assert cut.num_past == segment_of_context_step(cut, CONTEXT - 1) + 1
    assert segment_of_context_step(cut, 0) == 0
    assert (cut.num_future - 1) * cut.length < HORIZON <= cut.num_future * cut.length
    steps = [list(range(HORIZON))[cut.steps_of(i, i)] for i in range(cut.num_future)]
    assert [step for some in steps for step in some] == list(range(HORIZON))
    assert cut.steps_of(0, cut.num_future - 1) == slice(0, HORIZON)


def test_the_context_is_padded_at_its_old_end_and_the_horizon_at_its_far_end(cut: Segments) -> None:
    past, future = numbers(BATCH, CONTEXT, FEATURES), numbers(BATCH, HORIZON, FEATURES)

    folded_past, folded_future = cut.fold_context(past), cut.fold_horizon(future)

    nothing = torch.zeros(BATCH, FEATURES, dtype=torch.float64)
    for place in range(cut.num_past * cut.length):
        segment, first, step = place // cut.length, place % cut.length * FEATURES, place - cut.num_past * cut.length
        expected = past[:, step] if step >= -CONTEXT else nothing
        assert torch.equal(folded_past[:, segment, first : first + FEATURES], expected)
    for step in range(cut.num_future * cut.length):
        segment, first = step // cut.length, step % cut.length * FEATURES
        expected = future[:, step] if step < HORIZON else nothing
        assert torch.equal(folded_future[:, segment, first : first + FEATURES], expected)


def test_what_belongs_to_a_past_segment_is_repeated_for_its_steps(cut: Segments) -> None:
    states, rows = numbers(BATCH, cut.num_past, HIDDEN), numbers(BATCH, 2, cut.num_past)

    for step in range(CONTEXT):
        segment = segment_of_context_step(cut, step)
        assert torch.equal(cut.repeat_over_context(states)[:, step], states[:, segment])
        assert torch.equal(cut.repeat_columns(rows)[..., step], rows[..., segment])


def test_what_belongs_to_context_steps_is_summed_or_put_by_segment(cut: Segments) -> None:
    rows = numbers(BATCH, 2, CONTEXT)

    split = cut.split_context(rows)
    for segment in range(cut.num_past):
        own = [step for step in range(CONTEXT) if segment_of_context_step(cut, step) == segment]
        torch.testing.assert_close(cut.sum_over_context(rows)[..., segment], rows[..., own].sum(dim=-1))
        assert torch.equal(split[:, segment, :, -len(own) :], rows[..., own])
        assert (split[:, segment, :, : -len(own)] == 0).all()


@pytest.mark.parametrize("num_steps", [HORIZON, 1])
def test_forecast_steps_are_averaged_and_repeated_by_segment(cut: Segments, num_steps: int) -> None:
    rows = numbers(BATCH, num_steps, FEATURES)

    means = cut.mean_over_horizon(rows)
    repeated = cut.repeat_over_horizon(means, num_steps)
    assert means.shape == (BATCH, -(-num_steps // cut.length), FEATURES)
    assert repeated.shape == rows.shape
    for step in range(num_steps):
        first = step // cut.length * cut.length
        own = rows[:, first : min(first + cut.length, num_steps)]
        torch.testing.assert_close(repeated[:, step], own.mean(dim=1))


def test_products_of_positions_depend_on_their_distance_alone() -> None:
    times = torch.arange(-10, 6)
    features = position_features(times, longest=23).double().numpy()

    products = features @ features.T
    for distance in range(16):
        same = np.diagonal(products, distance)
        np.testing.assert_allclose(same, same[0], atol=1e-4)
    assert np.diff([products[0, distance] for distance in range(16)]).min() < 0
    assert (products[0, 1:] < products[0, 0] - 0.1).all()


# Attention over segments.

MASKS: dict[str, list[list[int]]] = {
    "whole": [[], [], []],
    "missing steps": [[0, 4], [2, 9, 10], []],
    "a missing segment": [[5, 6, 7, 8, 9, 10], [], [0, 1, 2, 3, 4, 5]],
    "a missing window": [list(range(CONTEXT)), [3], []],
}
CONTENT = ("dot", "general", "concat", "cosine")


def make_attention(length: int, score: str, *, per_step: bool = False, **model: Any) -> LagAttention:
    config = ModelConfig(**{"hidden": HIDDEN, "score": score, **model})
    cut = Segments(length, CONTEXT, HORIZON)
    attention = LagAttention(config, cut, 5, StepInputs(FEATURES, FEATURES, queries_per_step=per_step))
    randomise(attention, spread=0.15)
    return attention


def observed_but(missing: list[list[int]]) -> Tensor:
    observed = torch.ones(BATCH, CONTEXT, dtype=torch.bool)
    for window, steps in enumerate(missing):
        observed[window, steps] = False
    return observed


def make_memory(attention: LagAttention, observed: Tensor, states: Tensor, values: Tensor) -> Memory:
    steps, future = numbers(BATCH, CONTEXT, FEATURES, seed=4).float(), numbers(BATCH, HORIZON, FEATURES, seed=5).float()
    return attention.remember(states, values * observed, observed, steps, future)


def looks(attention: LagAttention, observed: Tensor, size: float = 1.0) -> list[tuple[Look, list[Tensor]]]:
    """What all forecast steps see, weights written out and not, with the gradients of `size` times a sum of it."""
    found = []
    for write_out in (True, False):
        states = numbers(BATCH, attention.segments.num_past, HIDDEN, seed=2).float().requires_grad_()
        values = numbers(BATCH, CONTEXT, seed=3).float().requires_grad_()
        asking = numbers(BATCH, attention.segments.num_future, HIDDEN, seed=6).float().requires_grad_()
        look = attention.look(asking, make_memory(attention, observed, states, values), 0, None, write_out=write_out)
        weighted = (look.copied * numbers(BATCH, HORIZON, seed=7)).sum() + (look.context.double() ** 2).sum()
        wanted = [states, values, asking, *attention.parameters()]
        gradients = torch.autograd.grad(weighted * size, wanted, allow_unused=True)
        found.append((look, [each for each in gradients if each is not None]))
    return found


@pytest.mark.parametrize("missing", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("score", [*CONTENT, "location"])
@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_attention_is_the_same_whether_its_weights_are_written_out_or_not(
    length: int, score: str, missing: list[list[int]]
) -> None:
    attention, observed = make_attention(length, score), observed_but(missing)

    (plain, plain_gradients), (factorised, gradients) = looks(attention, observed)

    assert plain.weights is not None
    assert attention.factorises == (length > 1) == (factorised.weights is None)
    torch.testing.assert_close(factorised.copied, plain.copied, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(factorised.context, plain.context, atol=1e-6, rtol=1e-5)
    for expected, found in zip(plain_gradients, gradients, strict=True):
        assert torch.isfinite(expected).all()
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("missing", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("size", [30.0, 300.0, 30_000.0])
def test_extreme_scores_and_lag_biases_that_contradict_each_other_stay_finite(
    size: float, missing: list[list[int]]
) -> None:
    attention, observed = make_attention(3, "location"), observed_but(missing)
    assert attention.lag_bias is not None
    with torch.no_grad():  # scores highest at one end, biases at the other
        attention.score.projection.weight.copy_(torch.linspace(0, size, CONTEXT)[:, None].expand(-1, 32) / 32)
        attention.lag_bias.copy_(torch.linspace(2 * size, 0, CONTEXT).expand(HORIZON, -1))

    for look, gradients in looks(attention, observed, 100.0):
        assert torch.isfinite(look.copied).all()
        assert torch.isfinite(look.context).all()
        assert (look.copied.abs() <= numbers(BATCH, CONTEXT, seed=3).abs().amax(dim=1, keepdim=True) + 1e-4).all()
        assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_a_very_high_score_of_a_missing_step_does_not_blur_the_others() -> None:
    attention, observed = make_attention(3, "location"), observed_but([[4]] * BATCH)
    with torch.no_grad():
        attention.narrow.start_silent()  # type: ignore[union-attr]
        attention.narrow.future_position.bias.fill_(1.0)  # type: ignore[union-attr]
        attention.score.projection.weight[4] = 10.0  # a score of 320

    (plain, _), (factorised, _) = looks(attention, observed)

    torch.testing.assert_close(factorised.copied, plain.copied, atol=1e-6, rtol=1e-5)


UNFACTORISED: tuple[dict[str, Any], ...] = (
    *({"attention": focus} for focus in ("local-m", "local-p")),
    *({"normaliser": "sparsemax"}, {"lag_bias": False}, {"per_step": True}),
)


@pytest.mark.parametrize("model", UNFACTORISED)
def test_what_does_not_factorise_writes_its_weights_out(model: dict[str, Any]) -> None:
    attention = make_attention(3, "general", **model)

    (plain, _), (asked_without, _) = looks(attention, observed_but(MASKS["missing steps"]))

    assert not attention.factorises
    assert plain.weights is not None
    assert asked_without.weights is not None
    assert torch.equal(asked_without.copied, plain.copied)


@pytest.mark.parametrize("per_step", [False, True])
def test_a_content_score_tells_steps_apart_by_their_position(per_step: bool) -> None:
    attention = make_attention(3, "general", per_step=per_step, lag_bias=False)
    still = torch.zeros(1, 4, HIDDEN), torch.zeros(1, CONTEXT), torch.ones(1, CONTEXT, dtype=torch.bool)
    nothing = torch.zeros(1, CONTEXT, FEATURES), torch.zeros(1, HORIZON, FEATURES)

    weights = attention.weights(torch.zeros(1, 3, HIDDEN), attention.remember(*still, *nothing))[0]

    assert (weights.diff(dim=1).abs() > 1e-6).all()
    first, second, third = weights[:3]
    assert torch.equal(first, second) == torch.equal(second, third) == (not per_step)
    assert not torch.allclose(weights[2], weights[3])


def test_start_at_lets_the_lag_bias_alone_choose_the_weights() -> None:
    wanted = torch.softmax(numbers(HORIZON, CONTEXT, seed=9).float(), dim=-1)
    for score in CONTENT[:3]:
        attention = make_attention(3, score)
        with torch.no_grad():
            attention.start_at(wanted)
        (plain, _), (factorised, _) = looks(attention, observed_but(MASKS["whole"]))
        assert plain.weights is not None
        torch.testing.assert_close(plain.weights, wanted.expand(BATCH, -1, -1))
        torch.testing.assert_close(factorised.copied, plain.copied, atol=1e-6, rtol=1e-5)
