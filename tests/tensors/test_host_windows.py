from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from seqcast import forecasting
from seqcast.forecasting import predict
from seqcast.runtime import Runtime
from seqcast.tensors.host_windows import HostPanelTensors, free_bytes, placed
from seqcast.tensors.windows import PanelTensors
from seqcast.training.batches import Batches
from seqcast.training.loop import train
from seqcast.training.setup import TrainingSetup, gather, with_place
from tests.forecasts import assert_same
from tests.panels import full_panel, random_model, small_config, small_setup, wave_panel

CPU = torch.device("cpu")


def sent_setup(setup: TrainingSetup) -> TrainingSetup:
    """The same work with a panel that is too large for the device."""
    return replace(setup, tensors=placed(setup.tensors, CPU, free=0))


@pytest.fixture
def setup() -> TrainingSetup:
    return small_setup(full_panel(), small_config(training={"batch_size": 16, "refit": True}))


def test_a_panel_stays_with_the_processor_where_it_needs_more_than_half_of_the_free_memory(
    setup: TrainingSetup,
) -> None:
    size = setup.tensors.num_bytes
    rows, series = 161, 3
    # float64 target, one byte of observed or not, and in float32 and int64 a number and a code of each covariate.
    assert size > rows * (8 + 1 + 2 * 4 + 2 * 8) + series * (4 + 8)

    assert isinstance(placed(setup.tensors, CPU, free=2 * size - 1), HostPanelTensors)
    assert not isinstance(placed(setup.tensors, CPU, free=2 * size), HostPanelTensors)
    assert not isinstance(placed(setup.tensors, CPU, free=None), HostPanelTensors)
    assert free_bytes(CPU) is None


def test_batches_that_are_sent_are_those_of_the_device(setup: TrainingSetup) -> None:
    sent = sent_setup(setup)
    own, ahead = Batches(setup), Batches(sent)
    for draw in (1, 2, 3, 7, 8):  # 7 does not follow 3
        expected, found = own.of(setup.train_windows, (0, draw)), ahead.of(sent.train_windows, (0, draw))
        ahead.prepare(sent.train_windows, (0, draw + 1))
        for each in fields(expected):
            assert torch.equal(getattr(found, each.name), getattr(expected, each.name)), each.name


def test_the_next_batch_is_cut_before_its_step(setup: TrainingSetup) -> None:
    sent = sent_setup(setup)
    batches = Batches(sent)
    batches.prepare(sent.train_windows, (0, 2))
    sent.tensors.target[:] = 0.0

    assert batches.of(sent.train_windows, (0, 2)).context_target.any()
    assert not batches.of(sent.train_windows, (0, 2)).context_target.any()
    batches.prepare(sent.train_windows, (0, 2))
    assert not torch.equal(
        batches.of(sent.train_windows, (1, 2)).static_features, batches.of(sent.train_windows, (0, 2)).static_features
    )


def test_a_network_is_the_same_whether_its_batches_are_sent_or_not(setup: TrainingSetup) -> None:
    expected, found = train(setup), train(sent_setup(setup))

    assert found.record == expected.record
    assert all(torch.equal(found.weights[name], value) for name, value in expected.weights.items())


@pytest.mark.parametrize("horizon", [None, 12])
def test_forecasts_are_the_same_whether_windows_are_sent_or_not(
    horizon: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = wave_panel()
    model = random_model(panel)
    expected = predict(model, panel, horizon)
    monkeypatch.setattr(forecasting, "free_bytes", lambda _device: 0)

    assert_same(predict(model, panel, horizon).forecast, expected.forecast)


def test_values_of_a_panel_that_stays_are_sent_too(setup: TrainingSetup) -> None:
    sent = sent_setup(setup)
    series, positions = torch.tensor([0, 2]), torch.tensor([[3, -1], [40, 41]])

    for found, expected in zip(
        sent.tensors.values_at(series, positions), setup.tensors.values_at(series, positions), strict=True
    ):
        assert torch.equal(found, expected)
    assert gather(sent, np.array([1]), np.array([20])).least.device == CPU


def test_the_place_of_the_panel_is_told_where_there_is_a_gpu(setup: TrainingSetup) -> None:
    plan, gpu = setup.plan, replace(setup.runtime, device=torch.device("cuda", 0))
    sent = sent_setup(setup).tensors

    def told(tensors: PanelTensors, runtime: Runtime) -> list[str]:
        return [choice.line for choice in with_place(plan, tensors, runtime).choices[len(plan.choices) :]]

    assert told(setup.tensors, setup.runtime) == []
    assert told(setup.tensors, gpu) == ["panel: on the GPU (1 MiB, at most half of its free memory)"]
    assert told(sent, gpu) == ["panel: sent to the GPU in batches (1 MiB, more than half of the free memory there)"]
