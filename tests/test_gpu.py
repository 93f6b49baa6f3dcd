"""What only a CUDA GPU can show. `python -m pytest --no-cov -n0 -m gpu` runs these tests; without a GPU they are skipped."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.config import Precision
from seqcast.errors import SeqcastError
from seqcast.forecasting import predict
from seqcast.run.record import Choice
from seqcast.runtime import resolve_runtime
from seqcast.tensors.host_windows import HostPanelTensors, placed
from seqcast.training import checkpoint
from seqcast.training.batches import Batches
from seqcast.training.checkpoint import TrainedMember
from seqcast.training.fit import fit
from seqcast.training.loop import Hooks, train
from seqcast.training.plan import make_plan
from seqcast.training.setup import TrainingSetup, prepare
from tests.panels import full_panel, small_config, small_setup, wave_panel
from tests.running import done, write_panel
from tests.training.improvement import let_training_improve, stopped_after_every_step

pytestmark = pytest.mark.gpu

WORKS: dict[str, dict[str, Any]] = {
    "segments": {"segment": 3, "dropout": 0.3},
    "steps": {"dropout": 0.3, "cell": "gru"},
    "autoregressive": {"decoding": "autoregressive", "dropout": 0.3},
    "hybrid": {"score": "hybrid", "normaliser": "sparsemax", "bidirectional": True, "attention": "local-p"},
}


def config_of(**model: Any) -> Any:
    return small_config(model=model, training={"max_steps": 6, "batch_size": 32, "refit": True})


def on_gpu(precision: Precision = "float32", **model: Any) -> TrainingSetup:
    panel = full_panel()
    return prepare(panel, make_plan(panel, config_of(**model)), resolve_runtime("cuda", precision))


def assert_close(found: TrainedMember, expected: TrainedMember, tolerance: float) -> None:
    """Weights that differ by less than this part of their size."""
    for name, value in expected.weights.items():
        distance = (found.weights[name].cpu() - value.cpu()).norm()
        assert distance <= tolerance * value.norm().cpu() + 1e-6, name


def test_batches_are_those_of_the_cpu_wherever_the_panel_is() -> None:
    own, here = small_setup(full_panel(), config_of()), on_gpu()
    sent = replace(here, tensors=placed(own.tensors, here.runtime.device, free=0))
    assert isinstance(sent.tensors, HostPanelTensors)
    batches = [Batches(own), Batches(here), Batches(sent)]
    for draw in range(1, 6):
        expected, *others = (each.of(own.train_windows, (0, draw)) for each in batches)
        batches[-1].prepare(own.train_windows, (0, draw + 1))
        for found in others:
            for each in fields(expected):
                values = getattr(found, each.name)
                assert values.is_cuda
                assert torch.equal(values.cpu(), getattr(expected, each.name)), (draw, each.name)


def test_a_panel_that_is_sent_trains_the_network_of_one_that_is_there() -> None:
    here = on_gpu(segment=3, dropout=0.3)
    own = small_setup(full_panel(), config_of(segment=3, dropout=0.3))
    sent = replace(here, tensors=placed(own.tensors, here.runtime.device, free=0))
    expected, found = train(here), train(sent)
    assert all(torch.equal(found.weights[name], value) for name, value in expected.weights.items())


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_steps_are_replayed_from_a_graph_and_train_the_network_of_computed_ones(
    work: str, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = on_gpu(precision, **WORKS[work])
    told: list[Choice] = []
    found = train(setup, Hooks(on_choice=told.append))
    assert [choice.value for choice in told] == ["replayed from a CUDA graph"], told
    monkeypatch.setattr(checkpoint, "recorder", lambda _setup: None)

    assert_close(found, train(setup), 1e-4)


def test_after_a_graph_that_could_not_be_recorded_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = on_gpu(segment=3, dropout=0.3)
    monkeypatch.setattr(checkpoint, "recorder", lambda _setup: None)
    expected = train(setup)
    monkeypatch.undo()
    from seqcast.training import gradients

    record = gradients._recorded_graph

    def waiting(work: gradients.Work, device: torch.device) -> gradients.Work:
        """Recorded work that asks for a value, which no graph can hold."""
        return record(lambda: (work(), float(torch.ones((), device=device)))[0], device)

    monkeypatch.setattr(gradients, "_recorded_graph", waiting)
    told: list[Choice] = []
    found = train(setup, Hooks(on_choice=told.append))

    assert [choice.value for choice in told] == ["kernel by kernel"]
    assert_close(found, expected, 1e-4)


def test_training_on_the_gpu_agrees_with_training_on_the_cpu() -> None:
    model = {"segment": 3, "dropout": 0.0}
    expected = train(small_setup(full_panel(), config_of(**model)))
    assert_close(train(on_gpu(**model)), expected, 1e-2)


@pytest.mark.parametrize("work", ["segments", "autoregressive"])
def test_bfloat16_trains_float32_weights_close_to_those_of_float32(work: str) -> None:
    found, expected = train(on_gpu("bfloat16", **WORKS[work])), train(on_gpu(**WORKS[work]))
    assert all(value.dtype == torch.float32 for value in found.weights.values())
    loss, expected_loss = (each.record.history[-1].validation_loss for each in (found, expected))
    assert loss == pytest.approx(expected_loss, rel=0.05)


@pytest.mark.parametrize("model", [WORKS["segments"], WORKS["autoregressive"], {"layers": 2, "dropout": 0.3}])
def test_a_training_stopped_after_every_step_and_resumed_is_the_uninterrupted_one(
    model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    let_training_improve(monkeypatch)
    expected = train(on_gpu(**model))
    found, _ = stopped_after_every_step(train, on_gpu(**model))
    assert found.record == expected.record
    assert all(torch.equal(found.weights[name].cpu(), value.cpu()) for name, value in expected.weights.items())


def test_a_model_trained_here_forecasts_the_same_here_and_on_the_cpu(tmp_path: Path) -> None:
    table = write_panel(tmp_path / "d.csv", {"a": 131, "b": 127})
    run = tmp_path / "run"
    small = ("--horizon", "7", "--context", "24", "--hidden", "8", "--max-steps", "60", "--known", "promo")
    done("train", table, *small, "--static", "region", "--device", "cuda", "--run", run, "--test-size", "7")
    forecasts = {}
    for device in ("cuda", "cpu"):
        output = tmp_path / f"{device}.csv"
        done("backtest", "--run", run, "--test", "--device", device, "--output", output)
        forecasts[device] = np.genfromtxt(output, delimiter=",", names=True, dtype=None, encoding="utf-8")
    names = [name for name in forecasts["cpu"].dtype.names if name.startswith("seqcast")]
    assert names
    for name in names:
        expected = forecasts["cpu"][name]
        spread = expected.std()
        np.testing.assert_allclose(forecasts["cuda"][name], expected, rtol=0, atol=1e-4 * spread)


def test_a_whole_training_forecasts_beyond_its_horizon() -> None:
    panel = wave_panel()
    setup = prepare(panel, make_plan(panel, config_of(segment=3)), resolve_runtime("cuda", "auto"))
    model = fit(setup).model
    here = predict(model, panel, 12).forecast
    there = predict(replace(model, network=model.network.cpu()), panel, 12).forecast
    np.testing.assert_allclose(there.point, here.point, rtol=0, atol=1e-4 * here.point.std())


@pytest.fixture
def little_memory() -> Iterator[None]:
    """64 MiB of the GPU besides those in use."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 64 * 2**20) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_a_batch_that_is_too_large_is_told_with_one_that_may_fit(little_memory: None) -> None:
    panel = full_panel()
    config = config_of(segment=3).override(training={"batch_size": 1_000_000})
    setup = prepare(panel, make_plan(panel, config), resolve_runtime("cuda", "float32"))
    with pytest.raises(SeqcastError, match="ran out of memory at step 1, with batches of 1000000 windows") as caught:
        train(setup)
    assert "500000" in caught.value.hint[0]
