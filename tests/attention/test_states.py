"""The part of a forecast that goes through the recurrent states."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seqcast.attention.states import state_share, value_effects
from seqcast.forecasting import Forecasting
from seqcast.panel.panel import Panel
from seqcast.results.origins import Origins, known_origins
from seqcast.run.load import TrainedModel
from tests.attention.conftest import CONTEXT, HORIZON
from tests.panels import random_model, small_config


def asked(model: TrainedModel, panel: Panel) -> tuple[Forecasting, Origins]:
    return Forecasting(model, panel, panel.lengths), known_origins(panel, HORIZON, CONTEXT, 2)


@pytest.fixture(scope="module")
def random(panel: Panel) -> TrainedModel:
    return random_model(panel, small_config(model={"horizon": HORIZON, "context": CONTEXT}))


def test_the_linear_start_reads_nothing(planted: TrainedModel, panel: Panel) -> None:
    assert state_share(*asked(planted, panel)) < 0.001


def test_a_network_does(random: TrainedModel, panel: Panel) -> None:
    assert 0.05 < state_share(*asked(random, panel)) < 0.95


@torch.inference_mode()
def test_what_is_copied_is_the_gate_times_the_weight(planted: TrainedModel, panel: Panel) -> None:
    forecasting, origins = asked(planted, panel)
    ((_, batch),) = forecasting.batches(origins, 100)
    network = planted.network
    rows, positions = torch.tensor([0, 1, 3]), torch.tensor([CONTEXT - 7, CONTEXT - 11, 2])
    read, copied = value_effects(network, batch, network.networks[0].standardise(batch), rows, positions)
    weights = network(batch, write_out=True).weights
    decoder = network.networks[0].decoder
    gate = torch.nn.functional.softplus(decoder.copy_gate.step_bias).double()
    expected = weights[rows, :, positions].double() * gate
    torch.testing.assert_close(copied, expected, atol=1e-4, rtol=1e-3)
    assert float(read.abs().max()) < 1e-3


@torch.inference_mode()
def test_both_ways_together_are_the_whole_effect(random: TrainedModel, panel: Panel) -> None:
    forecasting, origins = asked(random, panel)
    ((_, batch),) = forecasting.batches(origins, 100)
    network, place = random.network, CONTEXT - 4
    units = network.networks[0].standardise(batch)
    rows = torch.arange(len(batch.context_target))
    read, copied = value_effects(network, batch, units, rows, torch.full_like(rows, place))
    points = []
    for sign in (1, -1):
        target = batch.context_target.clone()
        target[:, place] += sign * 0.05 * units.scale[:, 0]
        moved = network.encode(replace(batch, context_target=target), units)
        points.append(network.decode(batch, moved).values[..., network.layout.point_index].double())
    whole = (points[0] - points[1]) / 0.1
    assert float(whole.abs().max()) > 0.01
    torch.testing.assert_close(read + copied, whole, atol=1e-3, rtol=1e-2)


def test_missing_values_are_not_moved(random: TrainedModel, panel: Panel) -> None:
    target = panel.target.copy()
    target[::3] = np.nan
    assert 0 < state_share(*asked(random, replace(panel, target=target))) < 1
