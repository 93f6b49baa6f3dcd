"""Networks whose recurrence takes several steps at once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcast.config import Location, ModelConfig
from seqcast.model.network import SCALE_FLOOR, ForecastNetwork, NetworkShape, Standardisation, steps_for_scale
from seqcast.model.segments import NUM_PERIODS, SHORTEST_PERIOD
from seqcast.tensors.windows import WindowBatch
from tests.panels import CONTEXT, FULL_SHAPE, HIDDEN, HORIZON, random_batch, randomise

LOCATIONS: tuple[Location, ...] = ("last", "season", "mean")
CALENDAR_ONLY = NetworkShape(HORIZON, CONTEXT, season=7, num_past=0, num_known=2, num_static=0, num_calendar=2)
STATIC_ONLY = NetworkShape(HORIZON, CONTEXT, season=7, num_past=0, num_known=0, num_static=2)
NUMERIC = NetworkShape(HORIZON, CONTEXT, season=7, num_past=2, num_known=3, num_static=1)
AT_ONCE: dict[str, dict[str, Any]] = {
    **{score: {"score": score} for score in ("dot", "general", "concat", "location", "cosine")},
    **{focus: {"attention": focus} for focus in ("local-m", "local-p")},
    "sparsemax": {"normaliser": "sparsemax"},
    "repeat context": {"repeat_context": True},
    "reversed": {"reverse_input": True},
    "bidirectional": {"bidirectional": True},
    "stacked": {"layers": 2},
    "GRU": {"cell": "gru"},
    "stacked GRU": {"cell": "gru", "layers": 2},
    "no bias": {"lag_bias": False},
    "none": {"attention": "none", "copy_gate": False, "lag_bias": False},
}
IN_ORDER: dict[str, dict[str, Any]] = {
    "autoregressive": {"decoding": "autoregressive"},
    "input feeding": {"input_feeding": True},
    "additive": {"score": "additive"},
    "additive, current": {"score": "additive", "additive_order": "current"},
    "hybrid": {"score": "hybrid"},
    "all of them": {"decoding": "autoregressive", "input_feeding": True, "score": "hybrid", "repeat_context": True},
}

Array = NDArray[np.float64]


def make_network(segment: int, shape: NetworkShape = FULL_SHAPE, **model: Any) -> ForecastNetwork:
    sizes = {"segment": segment, "location": "last", "hidden": HIDDEN, "quantiles": (0.1, 0.5, 0.9)}
    network = ForecastNetwork(ModelConfig(**{**sizes, **model}), "quantile", shape)
    randomise(network, spread=0.25)
    return network.eval()


def forecast_of(network: ForecastNetwork, batch: WindowBatch) -> Array:
    """(batch, horizon, quantiles) in the units of the batch."""
    with torch.no_grad():
        output = network(batch)
    units = output.standardisation
    values: Array = (output.values.double() * units.scale[..., None] + units.location[..., None]).numpy()
    return values


def moved(batch: WindowBatch, change: Tensor | float) -> WindowBatch:
    """The batch with its observed values moved."""
    return replace(batch, context_target=(batch.context_target + change) * batch.context_observed)


@pytest.mark.parametrize("mechanism", AT_ONCE.values(), ids=AT_ONCE)
@pytest.mark.parametrize("segment", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [FULL_SHAPE, CALENDAR_ONLY], ids=["covariates", "calendar"])
def test_all_segments_at_once_are_one_after_the_other(
    shape: NetworkShape, segment: int, mechanism: dict[str, Any]
) -> None:
    network, batch = make_network(segment, shape, **mechanism), random_batch(shape)

    with torch.no_grad():
        inputs = network.encode(batch).inputs
        assert network.decoder.parallel
        for write_out in (True, False):
            output, weights = network.decoder.decode_parallel(inputs, write_out=write_out)
            in_order, weights_in_order = network.decoder.decode_stepwise(inputs, None, write_out=write_out)
            torch.testing.assert_close(in_order, output, atol=1e-5, rtol=1e-5)
            assert (weights is None) == (weights_in_order is None)
            if weights is not None and weights_in_order is not None:
                torch.testing.assert_close(weights_in_order, weights, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("mechanism", [*AT_ONCE.values(), *IN_ORDER.values()], ids=[*AT_ONCE, *IN_ORDER])
@pytest.mark.parametrize("segment", [2, 3, 5])
def test_forecasts_do_not_depend_on_whether_weights_are_wanted_and_these_sum_to_one(
    segment: int, mechanism: dict[str, Any]
) -> None:
    for shape in (FULL_SHAPE, CALENDAR_ONLY):
        network, batch = make_network(segment, shape, **mechanism), random_batch(shape)
        with torch.no_grad():
            written, unwritten = network(batch, write_out=True), network(batch)
        torch.testing.assert_close(unwritten.values, written.values, atol=1e-5, rtol=1e-5)
        assert torch.isfinite(written.values).all()
        if network.decoder.attention is None:
            assert written.weights is None
            continue
        assert written.weights is not None
        assert written.weights.shape == (3, HORIZON, CONTEXT)
        torch.testing.assert_close(written.weights.sum(dim=-1), torch.ones(3, HORIZON))
        assert (written.weights.transpose(1, 2)[~batch.context_observed] == 0).all()


# The equations, one step after the other.


def parameters(module: torch.nn.Module) -> dict[str, Array]:
    return {name: value.detach().double().numpy() for name, value in module.named_parameters()}


def position_of(time: int) -> Array:
    """Sines and cosines of a time, of periods from 2.5 to four times all steps."""
    longest = 4 * (CONTEXT + HORIZON)
    periods = [SHORTEST_PERIOD * (longest / SHORTEST_PERIOD) ** (p / (NUM_PERIODS - 1)) for p in range(NUM_PERIODS)]
    angles = 2 * np.pi * time / np.array(periods)
    return np.concatenate([np.sin(angles), np.cos(angles)])


def reference_window(network: ForecastNetwork, batch: WindowBatch, b: int) -> tuple[Array, Array]:
    """Output and weights of a window: k_s, q_t, a_ts, copied_t, c_i, h~_i, y_t of each segment and step."""
    attention, cut, decoder = network.decoder.attention, network.segments, network.decoder
    assert attention is not None
    assert attention.narrow is not None
    inputs = network.encode(batch).inputs
    assert inputs.memory is not None
    p, known, static = parameters(decoder), batch.known_features[b].double().numpy(), batch.static_features[b].numpy()
    h_bar = cut.repeat_over_context(inputs.memory.states)[b].detach().double().numpy()  # of each step's segment
    z = inputs.memory.values[b].double().numpy()
    seen = batch.context_observed[b].numpy()
    newest = z[seen][-1]
    keys = []
    for s in range(CONTEXT):
        own = [(z[s] - newest) * seen[s], float(seen[s])]
        f = np.concatenate([own, known[s], batch.past_features[b, s].double().numpy()])
        key = p["attention.narrow.past_state.weight"] @ h_bar[s] + p["attention.narrow.past_step.weight"] @ f
        key += p["attention.narrow.past_position.weight"] @ position_of(s + 1 - CONTEXT)
        keys.append(key + p["attention.narrow.past_position.bias"])
    asked = []
    for t in range(HORIZON):
        about = p["attention.narrow.future_position.weight"] @ position_of(t + 1)
        about += p["attention.narrow.future_position.bias"]
        g = np.concatenate([known[CONTEXT + t], static])
        if len(g):
            about += p["attention.narrow.future_step.weight"] @ g
        asked.append(about)
    states, _ = decoder.recurrence(decoder.embedding(inputs.known), inputs.state)
    outputs, weights = np.zeros((HORIZON, 3)), np.zeros((HORIZON, CONTEXT))
    for i in range(cut.num_future):
        steps = range(i * cut.length, min((i + 1) * cut.length, HORIZON))
        h = states[b, i].detach().double().numpy()
        for t in steps:
            own_asked = asked[t] if attention.queries_per_step else np.mean([asked[u] for u in steps], axis=0)
            query = p["attention.narrow.future_state.weight"] @ h + own_asked
            scores = np.array([score_of(p, query, key) for key in keys])
            if attention.lag_bias is not None:
                scores += p["attention.lag_bias"][t]
            raised = np.exp(scores - scores.max()) * seen
            weights[t] = raised / raised.sum()
        context = np.mean([weights[t] @ h_bar for t in steps], axis=0)
        attentional = np.tanh(p["combine.weight"] @ np.concatenate([context, h]))
        for place, t in enumerate(steps):
            gate = p["copy_gate.weight.weight"][place] @ attentional + p["copy_gate.step_bias"][t]
            if "copy_gate.step_weight.weight" in p:
                gate += p["copy_gate.step_weight.weight"][0] @ known[CONTEXT + t]
            head = p["head.linear.weight"][place * 3 : place * 3 + 3] @ attentional + p["head.step_bias"][t]
            outputs[t] = np.sort(head + np.logaddexp(0, gate) * (weights[t] @ z))
    return outputs, weights


def score_of(p: dict[str, Array], query: Array, key: Array) -> float:
    """General: q^T W k. Concat: v^T tanh(W_q q + W_k k)."""
    if "attention.score.projection.weight" in p:
        return float(query @ p["attention.score.projection.weight"] @ key)
    inner = p["attention.score.query_block.weight"] @ query + p["attention.score.key_block.weight"] @ key
    return float(p["attention.score.vector.weight"][0] @ np.tanh(inner + p["attention.score.key_block.bias"]))


@pytest.mark.parametrize("score", ["general", "concat"])
@pytest.mark.parametrize(
    ("shape", "lag_bias", "per_step"),
    [
        (NUMERIC, True, True),
        (NUMERIC, False, True),
        (CALENDAR_ONLY, True, False),
        (CALENDAR_ONLY, False, True),
        (STATIC_ONLY, True, False),
    ],
)
def test_a_network_of_segments_equals_the_equations(
    shape: NetworkShape, lag_bias: bool, per_step: bool, score: str
) -> None:
    network, batch = make_network(3, shape, score=score, lag_bias=lag_bias), random_batch(shape)
    assert network.decoder.attention is not None
    assert network.decoder.attention.queries_per_step == per_step

    with torch.no_grad():
        found, written = network(batch), network(batch, write_out=True)

    assert written.weights is not None
    for b in range(3):
        outputs, weights = reference_window(network, batch, b)
        np.testing.assert_allclose(written.weights[b].numpy(), weights, atol=1e-5)
        np.testing.assert_allclose(found.values[b].numpy(), outputs, atol=1e-5)


# Units.


@pytest.mark.parametrize("location", LOCATIONS)
def test_location_and_scale_are_those_of_the_observed_steps(location: Location) -> None:
    season, batch = 3, random_batch(num_windows=5)
    observed, target = batch.context_observed.clone(), batch.context_target.clone()
    observed[1, -2:] = observed[2, -season:] = observed[3] = False
    target[4] = 3.0  # a flat window
    batch = moved(replace(batch, context_observed=observed, context_target=target), 0.0)

    units = Standardisation.of(batch, location, season)

    for b in range(5):
        values, seen = batch.context_target[b].numpy(), observed[b].numpy()
        every, newest = values[seen], values[-season:][seen[-season:]]
        among = {"last": every[-1:], "mean": every, "season": newest if len(newest) else every}[location]
        expected = among.mean() if len(among) else 0.0
        missing = max(0.0, 1 - len(every) / steps_for_scale(season, CONTEXT))
        variance = every.var() if len(every) else 0.0
        scale = np.sqrt(variance * (1 - missing) + missing + SCALE_FLOOR**2)
        assert float(units.location[b, 0]) == pytest.approx(expected, abs=1e-12)
        assert float(units.scale[b, 0]) == pytest.approx(scale, rel=1e-6)
        applied = units.apply(batch.context_target, observed)[b].numpy()
        np.testing.assert_allclose(applied, np.where(seen, (values - expected) / scale, 0), atol=1e-5)


EVERY_UNIT = [(segment, location) for segment in (1, 2, 3, 5) for location in LOCATIONS]


@pytest.mark.parametrize(("segment", "location"), EVERY_UNIT)
def test_the_newest_value_moves_every_step_of_the_forecast(segment: int, location: Location) -> None:
    network, batch = make_network(segment, location=location), random_batch()
    change = torch.zeros(CONTEXT)
    change[-1] = 0.5

    before, after = forecast_of(network, batch), forecast_of(network, moved(batch, change))

    assert (np.abs(after - before) > 1e-4).all()


@pytest.mark.parametrize(("segment", "location"), EVERY_UNIT)
def test_a_window_whose_level_is_moved_is_forecast_moved(segment: int, location: Location) -> None:
    network, batch = make_network(segment, location=location), random_batch()

    before, after = forecast_of(network, batch), forecast_of(network, moved(batch, 1e6))

    np.testing.assert_allclose(after - 1e6, before, atol=1e-5)


@pytest.mark.parametrize(("segment", "location"), EVERY_UNIT)
def test_large_numbers_flat_windows_and_short_histories_give_finite_forecasts(segment: int, location: Location) -> None:
    network, batch = make_network(segment, location=location), random_batch()
    flat, short = torch.zeros_like(batch.context_target), batch.context_observed.clone()
    short[:, :-2] = False
    cases = [
        moved(batch, 1e9),
        moved(replace(batch, context_target=flat), 3.0),
        moved(replace(batch, context_target=flat), 1e9),
        moved(replace(batch, context_observed=short), 0.0),
    ]
    for case in cases:
        levels = case.context_target[:, -1].numpy()[:, None, None]
        assert (np.abs(forecast_of(network, case) - levels) < 100).all()


# Autoregressive decoding, one segment after the other.


@pytest.mark.parametrize("segment", [1, 2, 3])
def test_fed_its_own_forecasts_as_truth_it_forecasts_the_same(segment: int) -> None:
    network = make_network(segment, decoding="autoregressive")
    batch = random_batch()
    with torch.no_grad():
        free = network(batch)
        truth = free.values[..., network.layout.point_index].double() * free.standardisation.scale
        seen = torch.ones_like(batch.future_observed)
        batch = replace(batch, future_target=truth + free.standardisation.location, future_observed=seen)
        taught = network(batch, seen)

    torch.testing.assert_close(taught.values, free.values, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("segment", [1, 2, 3])
def test_the_truth_of_a_step_moves_the_segments_after_its_own_where_it_was_observed(segment: int) -> None:
    network, batch = make_network(segment, decoding="autoregressive"), random_batch()
    seen = torch.ones_like(batch.future_observed)
    batch, step = replace(batch, future_observed=seen), 1
    truth = batch.future_target.clone()
    truth[:, step] += 1
    hole = seen.clone()
    hole[:, step] = False

    with torch.no_grad():
        before = network(batch, seen).values
        after = network(replace(batch, future_target=truth), seen).values
        unfed = network(replace(batch, future_observed=hole), seen).values
        unfed_after = network(replace(batch, future_observed=hole, future_target=truth * hole), seen).values

    first_moved = (step // segment + 1) * segment
    assert torch.equal(after[:, :first_moved], before[:, :first_moved])
    assert (after[:, first_moved:] != before[:, first_moved:]).any(dim=-1).all()
    assert torch.equal(unfed, unfed_after)
    assert not torch.allclose(unfed, before)
