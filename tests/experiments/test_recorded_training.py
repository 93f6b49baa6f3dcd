import json
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from seqcast import __version__
from seqcast.config import Config
from seqcast.errors import DivergedError, RunError, StoppedError
from seqcast.experiments.recorded_training import (
    TrainedRun,
    TrainingJob,
    changed_surroundings,
    save_run,
    train_in_directory,
)
from seqcast.run.directory import OWN_FILES, RunDirectory
from seqcast.run.load import load_trained_model
from seqcast.run.record import CHECKPOINT_FILE, CONFIG_FILE, METRICS_FILE, MODEL_FILE, RUN_FILE, SCALERS_FILE, RunRecord
from seqcast.storage import lock_directory, sha256_hex
from seqcast.training.fit import train_model
from seqcast.training.loop import Hooks, Progress
from tests.panels import CPU, small_config
from tests.run.making_runs import COVARIATES, make_job, write_table
from tests.running import contents

Finished = tuple[TrainingJob, TrainedRun]
LENGTHS = {"one": 61, "two": 53, "short": 13}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_table(tmp_path / "data.csv", LENGTHS)


@pytest.fixture
def job(data: Path) -> TrainingJob:
    return make_job(data, config_of())


def config_of(**sections: dict[str, Any]) -> Config:
    return small_config(**{"data": COVARIATES, "model": {"dropout": 0.3}} | sections)


def empty(path: Path) -> RunDirectory:
    path.mkdir()
    return RunDirectory(path)


def run(job: TrainingJob, directory: RunDirectory, *, resume: bool = False, hooks: Hooks | None = None) -> TrainedRun:
    return train_in_directory(job, directory, hooks or Hooks(), resume=resume)


def stop_after(job: TrainingJob, directory: RunDirectory, step: int, *, resume: bool = False) -> None:
    reached: list[int] = []
    hooks = Hooks(
        on_progress=lambda progress: reached.append(progress.step),
        stop_signal=lambda: signal.SIGTERM if reached[-1] == step else None,
    )
    with pytest.raises(StoppedError):
        run(job, directory, resume=resume, hooks=hooks)


def metrics_of(directory: RunDirectory) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory.path / METRICS_FILE).read_text().splitlines()]


def without_place(record: RunRecord) -> dict[str, Any]:
    """The record but for the clock and the path of its table."""
    values = record.model_dump()
    del values["created"], values["data"]["path"]
    for name in ("seconds", "windows_per_second"):
        del values["result"][name]
    return values


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A job and the run it became; tests only read it."""
    folder = tmp_path_factory.mktemp("finished")
    job = make_job(write_table(folder / "data.csv", LENGTHS), config_of())
    return job, run(job, empty(folder / "run"))


def test_a_finished_run_holds_every_file_and_vouches_for_those_of_a_forecast(finished: Finished) -> None:
    _, trained = finished
    files = contents(trained.directory.path)
    assert files.keys() == set(OWN_FILES)
    assert trained.record.files == {name: sha256_hex(files[name]) for name in (CONFIG_FILE, SCALERS_FILE, MODEL_FILE)}
    assert trained.directory.read_record() == trained.record
    assert trained.directory.read_config(trained.record) == trained.fitted.setup.config
    with lock_directory(trained.directory.path):  # which is free again
        pass


def test_the_record_of_a_finished_run_tells_what_was_done(finished: Finished) -> None:
    job, trained = finished
    record, result = trained.record, trained.record.result
    assert (record.status, record.device, record.precision) == ("finished", "cpu", "float32")
    assert (record.program_version, record.frequency) == (__version__, "D")
    assert record.series_ids == ("one", "two", "short")
    assert record.data.num_series == 3
    assert record.columns.known == ("price", "kind")
    assert (record.shape.horizon, record.shape.context) == (5, 11)
    assert [(c.name, c.value) for c in record.choices] == [(c.name, c.value) for c in trained.fitted.setup.plan.choices]
    assert any("'short'" in notice for notice in record.notices)
    assert len(record.notices) == len(job.notices)
    assert (result.num_steps, result.ended_by) == (6, "budget spent")
    assert result.num_train_windows == job.plan.num_train_windows
    assert result.num_parameters == sum(p.numel() for p in trained.model.network.parameters())
    assert result.num_members == len(trained.model.network.networks)
    assert result.seconds > 0


def test_metrics_have_a_line_per_validation_and_the_model_file_holds_the_weights(finished: Finished) -> None:
    trained = finished[1]
    history = [asdict(record) for record in trained.fitted.history]
    assert metrics_of(trained.directory) == history
    assert [record["step"] for record in history] == [0, 2, 4, 6]
    stored = load(contents(trained.directory.path)[MODEL_FILE])
    weights = trained.fitted.networks.state_dict()
    assert weights.keys() <= stored.keys()
    assert all(bool((stored[name] == weights[name]).all()) for name in weights)


def test_while_training_the_record_vouches_for_no_model_and_progress_is_told_after_saving(
    job: TrainingJob, tmp_path: Path
) -> None:
    directory = empty(tmp_path / "run")
    seen: list[RunRecord] = []
    told: list[tuple[int, bool]] = []

    def tell(progress: Progress) -> None:
        seen.append(directory.read_record())
        told.append((progress.step, directory.has_checkpoint()))

    run(job, directory, hooks=Hooks(on_progress=tell))
    assert {record.status for record in seen} == {"training"}
    assert seen[0].files.keys() == {CONFIG_FILE, SCALERS_FILE}
    assert seen[0].result is None
    assert told == [(1, False), (2, True), (3, True), (4, True), (5, True), (6, True)]


@pytest.mark.parametrize("step", [1, 5, 6])
def test_a_stopped_and_resumed_run_writes_what_the_uninterrupted_run_writes(
    step: int, finished: Finished, data: Path, tmp_path: Path
) -> None:
    directory, whole = empty(tmp_path / "stopped"), finished[1]
    stop_after(make_job(data, config_of()), directory, step)
    begun = directory.read_record()
    assert begun.status == "stopped"
    assert [line["step"] for line in metrics_of(directory)] == [each for each in (0, 2, 4, 6) if each <= step]
    assert contents(directory.path).keys() == set(OWN_FILES) - {MODEL_FILE}
    directory.write_record(begun.model_copy(update={"created": "2001-01-01T00:00:00+00:00"}))
    resumed = run(make_job(data, config_of()), directory, resume=True)
    expected, found = contents(whole.directory.path), contents(directory.path)
    for name in (CONFIG_FILE, SCALERS_FILE, MODEL_FILE, METRICS_FILE, CHECKPOINT_FILE):
        assert found[name] == expected[name], name
    assert without_place(resumed.record) == without_place(whole.record)
    assert resumed.record.created == "2001-01-01T00:00:00+00:00"


def test_metrics_that_a_kill_left_behind_are_written_again_from_the_state(job: TrainingJob, tmp_path: Path) -> None:
    directory = empty(tmp_path / "run")
    expected = contents(run(job, directory).directory.path)[METRICS_FILE]
    (directory.path / METRICS_FILE).write_bytes(expected.splitlines(keepends=True)[0])
    record = directory.read_record()
    directory.write_record(record.model_copy(update={"status": "training"}))
    run(job, directory, resume=True)
    assert contents(directory.path)[METRICS_FILE] == expected


@pytest.mark.parametrize("resume", [True, False])
def test_without_a_record_training_starts_afresh_whatever_lies_there(
    resume: bool, job: TrainingJob, tmp_path: Path
) -> None:
    directory = empty(tmp_path / "run")
    directory.write_checkpoint(b"of something else")
    assert run(job, directory, resume=resume).fitted.result.num_steps == 6


def test_resuming_with_other_options_or_data_is_refused_and_changes_no_file(
    job: TrainingJob, data: Path, tmp_path: Path
) -> None:
    directory = run(job, empty(tmp_path / "run")).directory
    before = contents(directory.path)
    other = make_job(data, config_of(training={"learning_rate": 0.5}))
    begun = "begun with other data or options"
    with pytest.raises(RunError, match=begun + r": training\.learning_rate was 0\.\d+ and is 0\.5 now\. Resume with"):
        run(other, directory, resume=True)
    write_table(data, LENGTHS | {"two": 59})
    with pytest.raises(RunError, match=begun + r": the table .* has other content\. Resume with"):
        run(make_job(data, config_of()), directory, resume=True)
    assert contents(directory.path) == before


def diverge_at(step: int) -> Hooks:
    def spoil(progress: Progress) -> None:
        if progress.step == step:
            raise DivergedError("as the loop would")

    return Hooks(on_progress=spoil)


def test_a_run_that_diverges_forecasts_with_its_last_good_weights(job: TrainingJob, tmp_path: Path) -> None:
    directory = empty(tmp_path / "run")
    with pytest.raises(DivergedError):
        run(job, directory, hooks=diverge_at(3))
    record = directory.read_record()
    assert [line["step"] for line in metrics_of(directory)] == [0, 2]
    assert record.status == "diverged"
    assert record.result.ended_by == "divergence"
    model = load_trained_model(directory, record, torch.device("cpu"))
    assert all(bool(torch.isfinite(value).all()) for value in model.network.state_dict().values())


def test_options_are_compared_before_the_first_state_is_saved_too(job: TrainingJob, data: Path, tmp_path: Path) -> None:
    directory = empty(tmp_path / "run")
    stop_after(job, directory, 3)
    (directory.path / CHECKPOINT_FILE).unlink()
    with pytest.raises(RunError, match=r"training\.seed was 0 and is 5 now"):
        run(make_job(data, config_of(training={"seed": 5})), directory, resume=True)


def test_other_threads_versions_and_devices_are_told(job: TrainingJob, tmp_path: Path) -> None:
    directory = empty(tmp_path / "run")
    stop_after(job, directory, 3)
    record = directory.read_record()
    assert changed_surroundings(job, record) == ()
    other = record.model_copy(
        update={"num_threads": 77, "torch_version": "1.0", "device": "cuda", "precision": "float16"}
    )
    (notice,) = changed_surroundings(job, other)
    assert notice.kind == "repair"
    assert notice.text.startswith(
        "the run was begun with device cuda (cpu now), precision float16 (float32 now), torch 1.0"
    )
    assert notice.text.endswith("the last bits of its numbers may differ")


def test_a_run_trained_in_memory_is_saved_like_one_trained_in_its_directory(finished: Finished, tmp_path: Path) -> None:
    job, expected = finished
    directory = empty(tmp_path / "saved")
    record = save_run(job, train_model(job.source.panel, job.plan, CPU), directory)
    saved, trained = contents(directory.path), contents(expected.directory.path)
    assert saved.keys() == set(OWN_FILES) - {CHECKPOINT_FILE}
    assert all(saved[name] == trained[name] for name in saved if name != RUN_FILE)
    assert without_place(record) == without_place(expected.record)


@pytest.mark.parametrize("write", ["train", "save"])
def test_a_directory_that_another_process_writes_is_refused(write: str, finished: Finished, tmp_path: Path) -> None:
    job, trained = finished
    directory = empty(tmp_path / "run")
    with lock_directory(directory.path), pytest.raises(RunError, match="is being written by process"):
        run(job, directory) if write == "train" else save_run(job, trained.fitted, directory)
    assert contents(directory.path) == {}
