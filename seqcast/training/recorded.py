"""Training inside a run directory: every file of the run is written here, in an order that a kill cannot spoil."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import torch

import seqcast
from seqcast.data.notices import Notice
from seqcast.data.scaler_file import dump_scalers
from seqcast.errors import StoppedError
from seqcast.run.directory import RunDirectory
from seqcast.run.record import CONFIG_FILE, MODEL_FILE, SCALERS_FILE, ChoiceRecord, ResultRecord, RunRecord
from seqcast.run.source import Source
from seqcast.run.trained import TrainedModel, dump_weights, schema_record, shape_record
from seqcast.runtime import Runtime
from seqcast.storage import lock_directory
from seqcast.training.checkpoint import ValidationRecord, largest_state
from seqcast.training.fit import Preparation, finish, fit, prepare
from seqcast.training.lag_memory import usual_attention
from seqcast.training.loop import Hooks, TrainingResult, check_resumable
from seqcast.training.plan import Plan


@dataclass(frozen=True)
class TrainingJob:
    """Everything that decides a run."""

    source: Source
    plan: Plan
    runtime: Runtime

    @property
    def notices(self) -> tuple[Notice, ...]:
        return self.source.notices + self.plan.notices


@dataclass(frozen=True)
class TrainedRun:
    """A finished run."""

    directory: RunDirectory
    record: RunRecord
    model: TrainedModel
    result: TrainingResult


def train_in_directory(job: TrainingJob, directory: RunDirectory, hooks: Hooks, *, resume: bool) -> TrainedRun:
    """Train and keep everything in `directory`, which this process locks meanwhile.

    Args:
        job: Data, plan and device.
        directory: Made and free, or holding the run to resume.
        hooks: Its `save` is replaced; the directory is where states go.
        resume: Continue from the saved state, if there is one.

    Raises:
        RunError: Another process writes here, or the saved state is of other work.
        DivergedError, StoppedError: As `training.loop.train`; the last good state is saved.
    """
    with lock_directory(directory.path):
        is_continued = resume and directory.has_checkpoint()
        preparation = prepare(job.source.panel, job.plan, job.runtime, job.source.fingerprint, warm=not is_continued)
        state = directory.read_checkpoint(largest_state(preparation.setup.network)) if is_continued else None
        if state is not None:
            check_resumable(preparation.setup, state)
        record = _write_inputs(job, preparation, directory)

        def save(state_bytes: bytes, history: tuple[ValidationRecord, ...]) -> None:
            directory.write_checkpoint(state_bytes)
            directory.write_metrics(history)

        try:
            result = fit(preparation, replace(hooks, save=save), state)
        except StoppedError:
            directory.write_record(record.model_copy(update={"status": "stopped"}))
            raise
        record = _write_result(record, job.plan, preparation, result, directory)
        return TrainedRun(directory, record, finish(preparation, result, job.source.panel), result)


def save_run(job: TrainingJob, preparation: Preparation, result: TrainingResult, directory: RunDirectory) -> RunRecord:
    """Write a run that was trained in memory; it has no checkpoint and so cannot be resumed.

    Raises:
        RunError: Another process writes here, or a file cannot be written.
    """
    with lock_directory(directory.path):
        record = _write_inputs(job, preparation, directory)
        return _write_result(record, job.plan, preparation, result, directory)


def _write_inputs(job: TrainingJob, preparation: Preparation, directory: RunDirectory) -> RunRecord:
    """Configuration, scalers, and a record that vouches for them and for no model yet."""
    files = {
        CONFIG_FILE: directory.write_config(job.plan.config),
        SCALERS_FILE: directory.write_scalers(dump_scalers(preparation.scalers)),
    }
    record = _first_record(job, preparation).model_copy(update={"files": files})
    directory.write_record(record)
    return record


def _write_result(
    record: RunRecord, plan: Plan, preparation: Preparation, result: TrainingResult, directory: RunDirectory
) -> RunRecord:
    files = record.files | {MODEL_FILE: directory.write_model(dump_weights(result.weights))}
    directory.write_metrics(result.history)
    preparation.setup.network.load_state_dict(result.weights)
    summary = _result_record(plan, preparation, result)
    attention = usual_attention(preparation.setup)
    record = record.model_copy(update={"status": "finished", "files": files, "result": summary, "attention": attention})
    directory.write_record(record)
    return record


def _first_record(job: TrainingJob, preparation: Preparation) -> RunRecord:
    panel, plan, runtime = job.source.panel, job.plan, job.runtime
    return RunRecord(
        program_version=seqcast.__version__,
        torch_version=torch.__version__,
        status="training",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        device=runtime.device.type,
        precision=runtime.precision,
        num_threads=torch.get_num_threads(),
        frequency=panel.frequency.alias,
        data=job.source.record(),
        columns=schema_record(panel.schema),
        series_ids=panel.series_ids,
        shape=shape_record(preparation.setup.network.shape),
        choices=tuple(ChoiceRecord(name=c.name, value=c.value, reason=c.reason) for c in plan.choices),
        notices=tuple(notice.line for notice in job.notices),
    )


def _result_record(plan: Plan, preparation: Preparation, result: TrainingResult) -> ResultRecord:
    """How training went, as run.json keeps it."""
    return ResultRecord(
        validation_loss=result.best.validation_loss,
        relative_mae=result.best.relative_mae,
        best_step=result.best.step,
        num_steps=result.num_steps,
        ended_by=result.ended_by,
        seconds=round(result.seconds, 3),
        windows_per_second=round(result.windows_per_second, 1),
        num_train_windows=plan.num_train_windows,
        num_parameters=preparation.num_parameters,
    )
