"""An ensemble whose second network diverges: the first one was fine and is kept."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from seqcast.attention.usual_attention import usual_attention
from seqcast.errors import DivergedError
from seqcast.experiments.recorded_training import TrainingJob, train_in_directory
from seqcast.forecasting import predict
from seqcast.run.directory import RunDirectory
from seqcast.run.load import TrainedModel, load_trained_model
from seqcast.training import loop
from seqcast.training.checkpoint import TrainingState
from seqcast.training.fit import fit, prepare
from seqcast.training.loop import Hooks
from seqcast.training.setup import TrainingSetup
from seqcast.training.step import Step, take_step
from seqcast.training.validation import ValidationScore
from seqcast.training.validation_forecasts import ValidationForecasts
from tests.panels import CPU, small_config
from tests.run.making_runs import COVARIATES, make_job, write_table
from tests.training.improvement import let_training_improve

CONFIG = small_config(
    data={"past": COVARIATES["past"]},
    training={"max_steps": 4, "batch_size": 5, "refit": True, "ensemble": 3, "validate_every": 2},
)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingJob:
    let_training_improve(monkeypatch)
    return make_job(write_table(tmp_path / "data.csv", {"one": 61, "two": 53}), CONFIG)


def let_second_member_diverge(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Its loss of this step is no number; step 0 is the validation before the first."""
    validate = loop.validate

    def spoilt_step(setup: TrainingSetup, state: TrainingState, taken: Step) -> float:
        is_spoilt = len(state.finished) == 1 and state.counters.step + 1 == step and state.counters.refit_step == 0
        return float("nan") if is_spoilt else take_step(setup, state, taken)

    def spoilt_validation(setup: TrainingSetup, network: object) -> object:
        score = validate(setup, network)  # type: ignore[arg-type]
        is_second = setup.config.training.seed != CONFIG.training.seed
        return ValidationScore(float("nan"), None) if is_second else score

    if step:
        monkeypatch.setattr(loop, "take_step", spoilt_step)
    else:
        monkeypatch.setattr(loop, "validate", spoilt_validation)


def diverged_run(job: TrainingJob, path: Path) -> tuple[RunDirectory, str]:
    path.mkdir()
    directory = RunDirectory(path)
    with pytest.raises(DivergedError) as error:
        train_in_directory(job, directory, Hooks(), resume=False)
    return directory, str(error.value)


def loaded(directory: RunDirectory) -> TrainedModel:
    return load_trained_model(directory, directory.read_record(), torch.device("cpu"))


@pytest.mark.parametrize(
    ("step", "kept", "num_networks"),
    [
        (0, "step 0 of network 2 is not finite .*the networks trained before it are kept", 2),
        (1, "step 1 of network 2 is not finite .*the weights of step 0 are kept", 2),
        (4, "step 4 of network 2 is not finite .*the weights of step 2 are kept", 3),
    ],
)
def test_the_good_networks_are_kept_and_forecast(
    step: int, kept: str, num_networks: int, job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_second_member_diverge(monkeypatch, step)

    directory, message = diverged_run(job, tmp_path / "run")

    record = directory.read_record()
    assert re.search(kept, message), message
    assert (record.status, record.result and record.result.ended_by) == ("diverged", "divergence")
    model = loaded(directory)
    assert len(model.network.networks) == num_networks  # the linear start is one of them
    assert np.isfinite(predict(model, job.source.panel).forecast.quantiles).all()
    if step == 4:  # resuming ends the same way
        with pytest.raises(DivergedError, match=re.escape(message)):
            train_in_directory(job, directory, Hooks(), resume=True)
        again = loaded(directory).network.state_dict()
        assert all(torch.equal(value, again[name]) for name, value in model.network.state_dict().items())


def test_a_second_network_that_never_began_costs_the_first_nothing(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = CONFIG.override(training={"ensemble": 1})
    (tmp_path / "alone").mkdir()
    alone = train_in_directory(
        make_job(tmp_path / "data.csv", single), RunDirectory(tmp_path / "alone"), Hooks(), resume=False
    )
    let_second_member_diverge(monkeypatch, 0)

    directory, _ = diverged_run(job, tmp_path / "run")

    expected = predict(alone.model, job.source.panel).forecast.quantiles
    assert (predict(loaded(directory), job.source.panel).forecast.quantiles == expected).all()


def test_networks_that_are_finite_alone_and_not_together_are_told(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ValidationForecasts, "score", lambda *_: ValidationScore(float("inf"), None))

    with pytest.raises(DivergedError, match="the loss of the networks together is not finite"):
        fit(prepare(job.source.panel, job.plan, CPU, "data"))


def test_attention_that_is_not_finite_is_not_remembered(job: TrainingJob) -> None:
    setup = prepare(job.source.panel, job.plan, CPU, "data")
    network = fit(setup).networks.final
    assert usual_attention(setup, network) is not None

    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(torch.nan)

    assert usual_attention(setup, network) is None
