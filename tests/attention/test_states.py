"""What goes through the recurrent states, and which lags they read."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.attention.inspection import Question, inspect
from seqcast.attention.states import StateEffects, state_effects, value_effects
from seqcast.forecasting import Forecasting
from seqcast.model.network import ForecastNetwork
from seqcast.panel.panel import Panel
from seqcast.results.origins import Origins, known_origins
from seqcast.run.load import TrainedModel
from tests.attention.conftest import CONTEXT, HORIZON, LAGS
from tests.panels import random_model, small_config, small_setup, untrained_model

SIZES = {"horizon": HORIZON, "context": CONTEXT}


def asked(model: TrainedModel, panel: Panel, windows: int = 2) -> tuple[Forecasting, Origins]:
    return Forecasting(model, panel, panel.lengths), known_origins(panel, model.horizon, model.context, windows)


@pytest.fixture(scope="module")
def random(panel: Panel) -> TrainedModel:
    return random_model(panel, small_config(model=SIZES))


@torch.no_grad()
def reading(panel: Panel, part: str) -> TrainedModel:
    """A model whose head reads one part of [c; h], the attended states c or the decoder's own state h.

    Its encoder forgets: the state of a past step knows the value of that step alone. So c knows the attended lags, and
    h knows the last value before the forecast.
    """
    model = untrained_model(small_setup(panel, small_config(model=SIZES | {"segment": 1})))
    (network,) = model.network.networks
    assert isinstance(network, ForecastNetwork)
    cell, decoder, hidden = network.encoder.recurrence.cell, network.decoder, network.encoder.hidden
    cell.weight_hh_l0.zero_()
    cell.bias_ih_l0[hidden : 2 * hidden] = -1e4
    generator = torch.Generator().manual_seed(0)
    for parameter in decoder.head.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 20)
    decoder.combine.weight[:, slice(hidden, None) if part == "attended states" else slice(hidden)] = 0
    return model


def test_the_linear_start_reads_nothing(planted: TrainedModel, panel: Panel) -> None:
    assert state_effects(*asked(planted, panel)).share < 0.001
    found = inspect(planted, panel, Question(windows=2))
    assert found.report.overall.rows(1)[0].states is None
    assert found.as_dict()["state_lags"] is None


def test_a_network_does(random: TrainedModel, panel: Panel) -> None:
    assert 0.05 < state_effects(*asked(random, panel)).share < 0.95


def test_an_attended_state_is_read_at_its_lag(panel: Panel) -> None:
    model = reading(panel, "attended states")
    effects = state_effects(*asked(model, panel))
    assert effects.share > 0.05
    read = effects.by_lag("target")
    assert read[np.array(LAGS) - 1].sum() > 0.9
    found = inspect(model, panel, Question(windows=2))
    assert all(row.states == pytest.approx(row.share, abs=0.1) for row in found.report.overall.rows())


def test_the_state_of_the_decoder_is_read_at_the_end_of_the_context(panel: Panel) -> None:
    model = reading(panel, "state of the decoder")
    effects = state_effects(*asked(model, panel))
    assert effects.share > 0.05
    assert effects.by_lag("origin")[0] > 0.99
    assert effects.by_lag("target")[:HORIZON].sum() > 0.99
    document = inspect(model, panel, Question(windows=2, relative="origin")).as_dict()
    assert document["content"]["states"] > 0.05
    (first,) = [row for row in document["lags"] if row["lag"] == 1]
    part = pytest.approx(first["states"])
    assert document["state_lags"] == {"first_lag": 1, "last_lag": 1, "states": part, "peak_lag": 1, "peak_states": part}
    assert first["share"] < 0.1


def test_what_is_copied_is_the_gate_times_the_weight(planted: TrainedModel, panel: Panel) -> None:
    forecasting, origins = asked(planted, panel)
    ((_, batch),) = forecasting.batches(origins, 100)
    network = planted.network
    steps = np.arange(HORIZON)[:, None].repeat(len(origins), axis=1)
    read, copied = value_effects(network, batch, steps)
    with torch.inference_mode():
        weights = network(batch, write_out=True).weights.double().numpy()
        gate = torch.nn.functional.softplus(network.networks[0].decoder.copy_gate.step_bias).double().numpy()
    expected = np.moveaxis(weights * gate[:, None], 1, 0)
    np.testing.assert_allclose(copied, expected, atol=1e-5)
    assert np.abs(read).max() < 1e-3


@pytest.mark.parametrize(
    "kind",
    [
        {"segment": 1},
        {"segment": 7},
        {"decoding": "autoregressive"},
        {"cell": "gru", "bidirectional": True},
        {"score": "hybrid"},
        {"attention": "local-p", "score": "general"},
        {"copy_gate": False, "lag_bias": False},
    ],
    ids=str,
)
def test_both_ways_together_are_the_whole_effect(kind: dict[str, Any], panel: Panel) -> None:
    model = random_model(panel, small_config(model=SIZES | kind))
    forecasting, origins = asked(model, panel)
    ((_, batch),) = forecasting.batches(origins, 100)
    network, place, step = model.network, CONTEXT - 4, 2
    read, copied = value_effects(network, batch, np.full((1, len(origins)), step))
    points = []
    with torch.inference_mode():
        units = network.networks[0].standardise(batch)
        for sign in (1, -1):
            target = batch.context_target.clone()
            target[:, place] += sign * 0.01 * units.scale[:, 0]
            moved = network.encode(replace(batch, context_target=target), units)
            points.append(network.decode(batch, moved).values[:, step, network.layout.point_index].double())
    whole = ((points[0] - points[1]) / 0.02).numpy()
    largest = np.abs(whole).max()
    assert largest > 1e-3
    np.testing.assert_allclose((read + copied)[0, :, place], whole, atol=0.02 * largest)


@pytest.mark.parametrize("horizon", [5, 13, 31])
def test_windows_together_are_asked_about_every_step(horizon: int, panel: Panel) -> None:
    config = small_config(data={"validation_size": horizon}, model=SIZES | {"horizon": horizon})
    effects = state_effects(*asked(random_model(panel, config), panel))
    assert effects.read.shape == (horizon, CONTEXT)
    assert (effects.read.sum(axis=1) > 0).all()
    for relative, num_lags in (("target", CONTEXT + horizon - 1), ("origin", CONTEXT)):
        assert effects.by_lag(relative).shape == (num_lags,)
        assert effects.by_lag(relative).sum() == pytest.approx(1)


def test_missing_values_have_no_effect_and_do_not_count(random: TrainedModel, panel: Panel) -> None:
    target = panel.target.copy()
    target[panel.offsets[0] : panel.offsets[4]] = np.nan  # no window of the first four series sees a value
    forecasting, _ = asked(random, replace(panel, target=target))
    _, origins = asked(random, panel)
    seen = Origins(origins.series[8:], origins.positions[8:])
    some, all_of_them = state_effects(forecasting, seen), state_effects(forecasting, origins)
    np.testing.assert_allclose(all_of_them.read, some.read, rtol=1e-6)
    np.testing.assert_allclose(all_of_them.copied, some.copied, rtol=1e-6)


def test_nothing_is_no_number() -> None:
    nothing = StateEffects(np.zeros((2, 3)), np.zeros((2, 3)))
    assert nothing.share == 0
    assert nothing.by_lag("target").tolist() == [0, 0, 0, 0]
