import json
from pathlib import Path
from typing import Any

import pytest
import torch

from seqcast.errors import RunError, StoppedError
from seqcast.experiments.recorded_training import train_in_directory
from seqcast.forecasting import predict
from seqcast.run.directory import OWN_FILES, RunDirectory
from seqcast.run.load import load_trained_model
from seqcast.run.record import CHECKPOINT_FILE, METRICS_FILE, MODEL_FILE
from seqcast.storage import LOCK_NAME
from seqcast.training.checkpoint import largest_state, load_state
from seqcast.training.fit import Fit, fit
from seqcast.training.loop import Hooks
from seqcast.training.setup import TrainingSetup
from tests.panels import one_thread, small_config, small_setup, wave_panel
from tests.run.making_runs import make_job, write_table
from tests.training.improvement import (
    Interruption,
    assert_same_fit,
    let_training_improve,
    stopped_after_every_step,
    stopped_state,
)
from tests.training.states import contents, sealed, without

STEPS_PER_MEMBER = 4 + 4
CONFIG = small_config(model={"dropout": 0.3}, training={"max_steps": 4, "batch_size": 5, "refit": True, "ensemble": 2})


@pytest.fixture(autouse=True)
def _improving(monkeypatch: pytest.MonkeyPatch) -> None:
    let_training_improve(monkeypatch)


def prepared(**training: Any) -> TrainingSetup:
    return small_setup(wave_panel(), CONFIG.override(training=training))


def head_of(fitted: Fit, member: int) -> torch.Tensor:
    return fitted.networks.final.networks[member].decoder.head.linear.weight


@pytest.fixture(scope="module")
def watched() -> Interruption:
    return Interruption()


@pytest.fixture(scope="module")
def both(watched: Interruption) -> Fit:
    """A training of two members."""
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        let_training_improve(patch)
        torch.manual_seed(1)
        return fit(prepared(), watched.hooks)


def test_an_ensemble_is_a_function_of_the_seed(both: Fit) -> None:
    torch.manual_seed(2)
    assert_same_fit(fit(prepared()), both)
    assert not torch.equal(head_of(fit(prepared(seed=1)), 1), head_of(both, 1))


def test_its_members_differ_and_the_first_is_the_network_of_a_single_training(both: Fit) -> None:
    single = fit(prepared(ensemble=1))

    assert both.networks.final.shares.tolist() == [0.5, 0.25, 0.25]
    assert not torch.equal(head_of(both, 1), head_of(both, 2))
    assert torch.equal(head_of(both, 1), head_of(single, 1))
    assert both.result.num_steps == 8


def test_progress_and_history_tell_the_member(both: Fit, watched: Interruption) -> None:
    assert [progress.member for progress in watched.told] == [1] * STEPS_PER_MEMBER + [2] * STEPS_PER_MEMBER
    assert {progress.num_members for progress in watched.told} == {2}
    assert [record.member for record in watched.history] == [1, 1, 1, 2, 2, 2]
    assert both.history == watched.history


def test_an_ensemble_stopped_after_every_step_and_resumed_is_the_uninterrupted_one(both: Fit) -> None:
    found, states = stopped_after_every_step(fit, prepared())

    assert len(states) == 2 * STEPS_PER_MEMBER  # so a resumed ensemble does not repeat its first member
    assert_same_fit(found, both)


@pytest.fixture(scope="module")
def state() -> bytes:
    """The state of a training stopped within its second member."""
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        let_training_improve(patch)
        return stopped_state(fit, prepared(), STEPS_PER_MEMBER + 3)


def test_a_state_is_no_larger_than_the_largest_that_is_read(state: bytes) -> None:
    assert len(state) <= largest_state(prepared().network, CONFIG.training)


def test_no_tensor_of_a_finished_member_may_be_missing(state: bytes) -> None:
    tensors, counters = contents(state)
    finished = [name for name in tensors if name.startswith("finished.")]
    setup = prepared()

    assert {name.split(".")[2] for name in finished} == {"weights", "selected"}
    for name in finished:
        damaged = sealed(without(tensors, name), counters)
        with pytest.raises(RunError, match=r"checkpoint\.safetensors is incomplete: finished\.0\."):
            load_state(damaged, setup)


def test_no_number_of_a_finished_member_may_be_missing(state: bytes) -> None:
    tensors, counters = contents(state)
    (member,) = counters["finished"]
    setup = prepared()

    assert member.keys() == {"history", "best_step", "num_steps", "ended_by"}
    for name in member:
        damaged = sealed(tensors, counters | {"finished": [without(member, name)]})
        with pytest.raises(RunError, match=f"incomplete: .*finished.0.{name}"):
            load_state(damaged, setup)


def test_a_finished_member_needs_a_validation_of_its_best_step(state: bytes) -> None:
    tensors, counters = contents(state)
    (member,) = counters["finished"]

    with pytest.raises(RunError, match="best_step has no validation record"):
        load_state(sealed(tensors, counters | {"finished": [member | {"best_step": 3}]}), prepared())


def test_an_ensemble_of_another_size_is_other_work(state: bytes) -> None:
    with pytest.raises(RunError, match="belongs to other data or options"):
        load_state(state, prepared(ensemble=3))


def run_files(directory: RunDirectory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.path.iterdir() if path.name != LOCK_NAME}


def test_an_ensemble_is_one_run_that_survives_a_stop(tmp_path: Path) -> None:
    config = CONFIG.override(data={"past": ("price", "kind", "visits"), "static": ("region",)})
    data = write_table(tmp_path / "data.csv", {"one": 61, "two": 53})
    whole, cut = (RunDirectory(tmp_path / name) for name in ("whole", "cut"))
    for directory in (whole, cut):
        directory.path.mkdir()
    trained = train_in_directory(make_job(data, config), whole, Hooks(), resume=False)

    with pytest.raises(StoppedError):
        train_in_directory(make_job(data, config), cut, Interruption(STEPS_PER_MEMBER + 3).hooks, resume=False)
    train_in_directory(make_job(data, config), cut, Hooks(), resume=True)

    files = run_files(whole)
    assert files.keys() == set(OWN_FILES)
    for name in (MODEL_FILE, METRICS_FILE, CHECKPOINT_FILE):
        assert run_files(cut)[name] == files[name], name
    assert [json.loads(line)["member"] for line in files[METRICS_FILE].splitlines()] == [1, 1, 1, 2, 2, 2]
    assert trained.record.result is not None
    assert (trained.record.result.num_members, trained.record.result.linear_share) == (3, 0.5)
    loaded = load_trained_model(whole, trained.record, torch.device("cpu"))
    found, expected = (predict(model, trained.fitted.setup.panel).forecast for model in (loaded, trained.model))
    assert (found.quantiles == expected.quantiles).all()
    assert loaded.validated is not None
    assert len(loaded.validated.networks) == len(loaded.network.networks) == 3
