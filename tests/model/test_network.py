from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from seqcast.config import Loss, ModelConfig
from seqcast.model.network import (
    STEP_EMBEDDING,
    CategoryEmbeddings,
    ForecastNetwork,
    NetworkShape,
    Standardisation,
)
from seqcast.tensors.windows import WindowBatch
from tests.panels import CONTEXT, FULL_SHAPE, HIDDEN, HORIZON, random_batch, randomise

BARE_SHAPE = NetworkShape(HORIZON, CONTEXT, season=7, num_past=0, num_known=0, num_static=0)
STEPWISE: tuple[dict[str, Any], ...] = (
    {},
    {"decoding": "autoregressive"},
    {"input_feeding": True},
    {"score": "additive"},
    {"score": "additive", "additive_order": "current"},
    {"score": "hybrid"},
    {"reverse_input": True},
    {"repeat_context": True},
    {"attention": "none", "copy_gate": False, "lag_bias": False},
)
MECHANISMS = [{"segment": segment} | mechanism for segment in (1, 3) for mechanism in STEPWISE]


def make_network(loss: Loss = "quantile", shape: NetworkShape = FULL_SHAPE, **model: Any) -> ForecastNetwork:
    config = ModelConfig(**{"segment": 1, "location": "mean", "hidden": HIDDEN, "quantiles": (0.1, 0.5, 0.9), **model})
    network = ForecastNetwork(config, loss, shape)
    randomise(network)
    return network.eval()


def values_of(network: ForecastNetwork, batch: WindowBatch) -> Tensor:
    with torch.no_grad():
        output: Tensor = network(batch).values
    return output


def changed(batch: WindowBatch, part: str, step: int | None, num_codes: tuple[int, ...] = ()) -> WindowBatch:
    """The batch with one part of window 1 changed, at one step or altogether, and window 0 left alone."""
    values = getattr(batch, part).clone()
    place = (1,) if step is None else (1, step)
    if values.dtype == torch.bool:
        values[place] = ~values[place]
    elif num_codes:
        values[place] = (values[place] + 1) % torch.tensor(num_codes)
    else:
        values[place] += 1
    return replace(batch, **{part: values})


INPUTS = [
    ("context_target", CONTEXT - 1, ()),
    ("context_target", 0, ()),
    ("context_observed", 4, ()),
    ("past_features", 3, ()),
    ("past_codes", 3, FULL_SHAPE.past_categories),
    ("known_features", 2, ()),
    ("known_features", CONTEXT + 2, ()),
    ("known_codes", 2, FULL_SHAPE.known_categories),
    ("known_codes", CONTEXT + 2, FULL_SHAPE.known_categories),
    ("static_features", None, ()),
    ("static_codes", None, FULL_SHAPE.static_categories),
]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(("part", "step", "num_codes"), INPUTS)
def test_every_input_of_a_window_moves_its_forecast_and_no_other(
    part: str, step: int | None, num_codes: tuple[int, ...], mechanism: dict[str, Any]
) -> None:
    network, batch = make_network(**mechanism), random_batch()

    before, after = values_of(network, batch), values_of(network, changed(batch, part, step, num_codes))

    torch.testing.assert_close(after[[0, 2]], before[[0, 2]])
    assert not torch.allclose(after[1, -1], before[1, -1], atol=1e-7, rtol=0)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("part", ["future_target", "future_observed"])
def test_what_happens_after_the_origin_does_not_enter(part: str, mechanism: dict[str, Any]) -> None:
    network, batch = make_network(**mechanism), random_batch()

    before = values_of(network, batch)

    for step in range(HORIZON):
        assert torch.equal(values_of(network, changed(batch, part, step)), before)


def test_known_inputs_of_a_forecast_step_do_not_move_earlier_steps() -> None:
    network, batch = make_network(), random_batch()

    before, after = values_of(network, batch), values_of(network, changed(batch, "known_features", CONTEXT + 3))

    torch.testing.assert_close(after[1, :3], before[1, :3])
    assert (after[1, 3:] != before[1, 3:]).all()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_windows_may_be_batched_in_any_order(mechanism: dict[str, Any]) -> None:
    network, batch = make_network(**mechanism), random_batch(num_windows=3)
    order = torch.tensor([2, 0])
    picked = WindowBatch(**{field.name: getattr(batch, field.name)[order] for field in fields(WindowBatch)})

    torch.testing.assert_close(values_of(network, picked), values_of(network, batch)[order], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("loss", ["quantile", "student-t", "mae"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_shapes(loss: Loss, cell: str, bidirectional: bool, layers: int) -> None:
    network = make_network(loss, cell=cell, bidirectional=bidirectional, layers=layers)

    with torch.no_grad():
        output = network(random_batch(num_windows=2))

    assert output.values.shape == (2, HORIZON, {"quantile": 3, "student-t": 3, "mae": 1}[loss])
    assert output.weights.shape == (2, HORIZON, CONTEXT)
    assert output.standardisation.location.shape == (2, 1)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_window_of_nothing_gives_finite_numbers(mechanism: dict[str, Any]) -> None:
    network, batch = make_network(**mechanism), random_batch(num_windows=2)
    nothing = torch.zeros_like(batch.context_observed)
    batch = replace(batch, context_observed=nothing, context_target=torch.zeros_like(batch.context_target))

    output = network(batch)
    output.values.sum().backward()

    assert torch.isfinite(output.values).all()
    assert all(bool(torch.isfinite(p.grad).all()) for p in network.parameters() if p.grad is not None)


def test_reversed_input_is_read_newest_first_and_attended_in_the_order_of_time() -> None:
    reversed_network, network = make_network(reverse_input=True), make_network()
    batch, seen = random_batch(), []

    def look(batch: WindowBatch) -> None:
        memory = reversed_network.encode(batch).inputs.memory
        assert memory is not None
        seen.append((memory.states, memory.observed))

    look(batch)

    context = batch.context_target.clone()
    context[1, CONTEXT - 1] += 1  # the first step read, so every state of this window moves
    look(replace(batch, context_target=context))
    (before, observed), (after, _) = seen
    assert (before[1] != after[1]).any(dim=-1).all()
    assert torch.equal(observed, batch.context_observed)
    oldest = batch.past_features.clone()
    oldest[1, 0] += 1  # the last step read, so only the state at its own position moves
    look(replace(batch, past_features=oldest))
    moved = (seen[2][0][1] != before[1]).any(dim=-1)
    assert moved.tolist() == [True] + [False] * (CONTEXT - 1)
    assert not torch.allclose(values_of(network, batch), values_of(reversed_network, batch))


def test_each_forecast_step_has_its_own_embedding() -> None:
    network, batch = make_network(shape=BARE_SHAPE), random_batch(BARE_SHAPE)
    before = values_of(network, batch)

    with torch.no_grad():
        network.step_embedding.weight[3] += 1

    after = values_of(network, batch)
    assert network.step_embedding.weight.shape == (HORIZON, STEP_EMBEDDING)
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert (after[:, 3:] != before[:, 3:]).any(dim=-1).all()


def test_categories_are_embedded_per_column_and_joined() -> None:
    embeddings = CategoryEmbeddings((3, 50))

    joined = embeddings(torch.tensor([[[2, 49]], [[0, 7]]]))

    assert joined.shape == (2, 1, embeddings.width) == (2, 1, 3 + 16)
    assert torch.equal(joined[1, 0, :3], embeddings.tables[0].weight[0])
    assert torch.equal(joined[0, 0, 3:], embeddings.tables[1].weight[49])


def test_without_categorical_columns_the_embedding_has_no_width() -> None:
    joined = CategoryEmbeddings(())(torch.empty(2, 7, 0, dtype=torch.int64))

    assert joined.shape == (2, 7, 0)
    assert joined.dtype == torch.float32


STEPWISE_TOO = [{}, {"segment": 3}, {"input_feeding": True}, {"score": "hybrid"}, {"score": "additive"}]


@pytest.mark.parametrize("mechanism", STEPWISE_TOO)
def test_weights_that_may_not_be_used_are_gone_and_the_others_sum_to_one(mechanism: dict[str, Any]) -> None:
    network, batch = make_network(**mechanism), random_batch()
    keep = torch.rand(HORIZON, CONTEXT, generator=torch.Generator().manual_seed(0)) < 0.7
    with torch.inference_mode():
        encoded = network.encode(batch)
        weights = network.decode(batch, encoded.keeping(keep), write_out=True).weights
    assert weights is not None
    assert (weights[:, ~keep] == 0).all()
    assert torch.allclose(weights.sum(dim=-1), torch.ones(3, HORIZON), atol=1e-5)


@pytest.mark.parametrize("mechanism", STEPWISE_TOO)
def test_keeping_all_weights_in_their_order_changes_nothing(mechanism: dict[str, Any]) -> None:
    network, batch = make_network(**mechanism), random_batch()
    with torch.inference_mode():
        encoded = network.encode(batch)
        same = encoded.keeping(torch.ones(HORIZON, CONTEXT, dtype=torch.bool)).reordered(
            torch.arange(CONTEXT).expand(HORIZON, -1)
        )
        assert torch.allclose(network.decode(batch, same).values, network(batch).values, atol=1e-6)


def test_a_step_left_without_any_weight_gives_finite_numbers() -> None:
    network, batch = make_network(), random_batch()
    with torch.inference_mode():
        nothing = network.encode(batch).keeping(torch.zeros(HORIZON, CONTEXT, dtype=torch.bool))
        output = network.decode(batch, nothing)
    assert output.weights is not None
    assert (output.weights == 0).all()
    assert torch.isfinite(output.values).all()


def test_reordered_weights_are_those_of_the_positions_named() -> None:
    network, batch = make_network(), random_batch()
    generator = torch.Generator().manual_seed(0)
    order = torch.stack([torch.randperm(CONTEXT, generator=generator) for _ in range(HORIZON)])
    with torch.inference_mode():
        own = network(batch, write_out=True).weights
        moved = network.decode(batch, network.encode(batch).reordered(order), write_out=True).weights
    assert own is not None
    assert moved is not None
    for step, sources in enumerate(order.tolist()):
        for position, source in enumerate(sources):
            assert torch.equal(moved[:, step, position], own[:, step, source])


def test_a_changed_window_may_be_read_in_the_units_of_the_first() -> None:
    network, batch = make_network(), random_batch()
    units = Standardisation.of(batch)
    target = batch.context_target.clone()
    target[:, 3] = units.location[:, 0]
    memory = network.encode(replace(batch, context_target=target), units).inputs.memory
    own = network.encode(batch).inputs.memory
    assert memory is not None
    assert own is not None
    assert (memory.values[:, 3] == 0).all()
    assert torch.equal(memory.values[:, 4:], own.values[:, 4:])
