"""Every mechanism through training, a stop, resuming, loading, forecasting and inspection."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.attention.inspection import Question, inspect
from seqcast.errors import StoppedError
from seqcast.experiments.recorded_training import TrainedRun, TrainingJob, train_in_directory
from seqcast.forecasting import predict
from seqcast.run.directory import RunDirectory
from seqcast.run.load import load_trained_model
from seqcast.run.source import Source
from seqcast.training.loop import Hooks
from tests.panels import small_config
from tests.run.making_runs import job_of, planted_source

HORIZON, CONTEXT, STEPS = 3, 13, 4
SCORES = ("dot", "general", "concat", "location", "cosine", "additive", "hybrid")
MECHANISMS: dict[str, dict[str, Any]] = {
    "none, context at every step": {"attention": "none", "repeat_context": True},
    **{f"global {score}": {"score": score} for score in SCORES},
    "additive, current state asks": {"score": "additive", "additive_order": "current"},
    **{f"local-m {score}": {"attention": "local-m", "score": score} for score in ("dot", "additive")},
    **{f"local-p {score}": {"attention": "local-p", "score": score} for score in ("general", "hybrid")},
    **{f"{score}, input feeding": {"score": score, "input_feeding": True} for score in ("location", "hybrid")},
    **{f"{focus}, input feeding": {"attention": focus, "input_feeding": True} for focus in ("local-m", "local-p")},
    "current state asks, input feeding": {"score": "additive", "additive_order": "current", "input_feeding": True},
    "none, input feeding": {"attention": "none", "input_feeding": True},
    "autoregressive additive": {"decoding": "autoregressive", "score": "additive"},
    "sparsemax, hybrid": {"normaliser": "sparsemax", "score": "hybrid"},
    "reversed, bidirectional": {"reverse_input": True, "bidirectional": True},
    "context at every step beside attention": {"repeat_context": True},
    "gru, additive": {"cell": "gru", "score": "additive"},
    "stacked with dropout": {"layers": 2, "dropout": 0.3},
    "stacked, bidirectional": {"layers": 2, "bidirectional": True},
    "no bias": {"lag_bias": False},
    "no copy": {"copy_gate": False},
    "no bias, no copy": {"lag_bias": False, "copy_gate": False},
    "no bias, local-m": {"lag_bias": False, "attention": "local-m"},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return planted_source(tmp_path_factory.mktemp("planted") / "planted.csv", 2, 53)


def make_job(source: Source, mechanism: dict[str, Any]) -> TrainingJob:
    model = {"horizon": HORIZON, "context": CONTEXT} | mechanism
    training = {"max_steps": STEPS, "validate_every": 2, "batch_size": 5}
    return job_of(source, small_config(model=model, training=training))


def train_with_a_stop(job: TrainingJob, directory: RunDirectory) -> TrainedRun:
    """Stopped after the first validation, then resumed."""
    saves: list[int] = []

    def signal_after_the_first_save() -> int | None:
        saves.append(1)
        return 15 if len(saves) == 2 else None

    with pytest.raises(StoppedError):
        train_in_directory(job, directory, replace(Hooks(), stop_signal=signal_after_the_first_save), resume=False)
    return train_in_directory(job, directory, Hooks(), resume=True)


@pytest.mark.parametrize("mechanism", MECHANISMS.values(), ids=MECHANISMS.keys())
def test_it_trains_stops_resumes_loads_forecasts_and_is_inspected(
    mechanism: dict[str, Any], source: Source, tmp_path: Path
) -> None:
    job = make_job(source, mechanism)
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    whole = train_in_directory(job, RunDirectory(tmp_path / "whole"), Hooks(), resume=False)
    resumed = train_with_a_stop(job, RunDirectory(tmp_path / "stopped"))
    for name, value in whole.model.network.state_dict().items():
        assert torch.equal(value, resumed.model.network.state_dict()[name]), name
    directory = RunDirectory(tmp_path / "stopped")
    model = load_trained_model(directory, directory.read_record(), torch.device("cpu"))
    forecast, expected = (predict(each, source.panel, 2 * HORIZON).forecast for each in (model, whole.model))
    np.testing.assert_array_equal(forecast.quantiles, expected.quantiles)
    np.testing.assert_array_equal(forecast.point, expected.point)
    assert np.isfinite(forecast.quantiles).all()
    if mechanism.get("attention") == "none":
        assert model.attention is None
        return
    report = inspect(model, source.panel, Question(windows=2)).report
    assert report.overall.share.sum() == pytest.approx(1, abs=1e-5)
    assert len(model.attention.profile) == CONTEXT + HORIZON - 1
