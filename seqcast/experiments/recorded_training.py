"""Training inside a run directory: every file of the run is written here, in an order that a kill cannot spoil."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import torch

import seqcast
from seqcast.attention.usual_attention import usual_attention
from seqcast.config import Config, changed_settings
from seqcast.errors import StoppedError
from seqcast.model.network import ForecastNetwork
from seqcast.model.skeleton import without_memory
from seqcast.panel.notices import Notice
from seqcast.panel.shares import PanelShare
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import Table
from seqcast.run.agreement import require_agreement, require_same_settings
from seqcast.run.directory import RunDirectory
from seqcast.run.headings import Given
from seqcast.run.load import TrainedModel
from seqcast.run.model_file import dump_model
from seqcast.run.parent import Parent, load_parent
from seqcast.run.record import CONFIG_FILE, MODEL_FILE, RUN_FILE, SCALERS_FILE, Choice, RunRecord
from seqcast.run.scaler_file import dump_scalers
from seqcast.run.source import Source, at_trained_frequency, frame_source, resolve_roles
from seqcast.runtime import Runtime, resolve_runtime
from seqcast.storage import lock_directory
from seqcast.training.checkpoint import TrainingState, largest_state, load_state, require_size
from seqcast.training.counters import ValidationRecord
from seqcast.training.fine_tuning import inherited_config, plan_fine_tuning
from seqcast.training.fit import Fit, fit
from seqcast.training.loop import Hooks
from seqcast.training.pace import settle_steps
from seqcast.training.plan import Plan, make_plan
from seqcast.training.setup import TrainingSetup, prepare, work_identity


@dataclass(frozen=True)
class TrainingJob:
    """Everything that decides a run."""

    source: Source
    plan: Plan
    runtime: Runtime
    parent: Parent | None = None
    """The run whose networks are trained further; None: training begins at the start."""

    @property
    def fingerprint(self) -> str:
        """Of everything besides the settings that a training learns from."""
        return self.source.fingerprint + ("" if self.parent is None else self.parent.reference.checksum)

    @property
    def notices(self) -> tuple[Notice, ...]:
        return self.source.notices + self.plan.notices


def fine_tuning_job(
    source: Source, config: Config, runtime: Runtime, parent: Parent, choices: tuple[Choice, ...] = ()
) -> TrainingJob:
    """The job of a training that takes up the networks of a finished run.

    Args:
        source: A table that was read with the columns and the frequency of the parent.
        config: The settings, as from `inherited_config`.
        runtime: The device.
        parent: The finished run.
        choices: Those among the settings.
    """
    plan = make_plan(source.panel, resolve_roles(config, source.panel))
    return TrainingJob(source, plan_fine_tuning(plan, parent, source.panel, choices), runtime, parent)


def frame_job(table: Table, static_table: Table | None, config: Config, parent: RunDirectory | None) -> TrainingJob:
    """The job of a training on a table that was made of a data frame, from the start or from the networks of a run.

    Raises:
        DataError, UsageError, RunError: As `build_panel`, `make_plan` and `_further_frame_job`.
    """
    if parent is not None:
        return _further_frame_job(table, static_table, config, parent)
    source = frame_source(table, static_table, config.data)
    plan = make_plan(source.panel, resolve_roles(config, source.panel))
    return TrainingJob(source, plan, resolve_runtime(config.training.device, config.training.precision))


def _further_frame_job(
    table: Table, static_table: Table | None, config: Config, directory: RunDirectory
) -> TrainingJob:
    """The job of training the networks of a run further; settings that differ from the defaults count as given.

    Raises:
        DataError: The table does not have the columns or the frequency of the run.
        UsageError: A setting does not fit the run.
        RunError: The run is absent, damaged or refused.
    """
    given = changed_settings(config)
    record = directory.read_record()
    inherited, choices = inherited_config(str(directory.path), record, directory.read_config(record), given)
    runtime = resolve_runtime(inherited.training.device, inherited.training.precision)
    parent, roles = load_parent(directory, runtime.device), Given(given["data"])
    roles.headings(record.columns)
    own = roles.options(record)
    options = ReadOptions(layout=own.layout, text=own.text)
    source = at_trained_frequency(
        lambda data: frame_source(table, static_table, data, options), record, inherited, roles
    )
    return fine_tuning_job(source, inherited, runtime, parent, choices)


@dataclass(frozen=True)
class TrainedRun:
    """A finished run."""

    directory: RunDirectory
    record: RunRecord
    fitted: Fit

    @property
    def model(self) -> TrainedModel:
        return self.fitted.model


def train_in_directory(job: TrainingJob, directory: RunDirectory, hooks: Hooks, *, resume: bool) -> TrainedRun:
    """Train and keep everything in `directory`, which this process locks meanwhile.

    Args:
        job: Data, plan and device.
        directory: Made and free, or holding the run to resume.
        hooks: Its `save` is called after the directory holds the state.
        resume: Continue from the saved state, if there is one.

    Raises:
        RunError: Another process writes here, or the saved state is of other work.
        DivergedError: A loss was not finite; where there were weights before that, the run forecasts with them.
        StoppedError: As `training.loop.train`; the last good state is saved.
    """
    with lock_directory(directory.path), job.runtime.world.joined(job.runtime.device):
        directory.require_writable()
        earlier = directory.read_record() if resume and directory.has_record() else None
        if earlier is not None:
            job = continuing(job, directory, earlier)
            _require_same_work(job, directory, earlier)
        setup, state = _prepare(job, directory, earlier, hooks)
        record = _write_inputs(job, setup, directory, earlier)

        def save(state_bytes: bytes, history: tuple[ValidationRecord, ...]) -> None:
            directory.write_checkpoint(state_bytes)
            directory.write_metrics(history)
            hooks.save(state_bytes, history)

        try:
            fitted = fit(setup, replace(hooks, save=save), state)
        except StoppedError:
            directory.write_record(record.model_copy(update={"status": "stopped"}))
            raise
        record = _write_result(record, fitted, directory)
        if fitted.failure is not None:
            raise fitted.failure
        return TrainedRun(directory, record, fitted)


def train_beside_first(job: TrainingJob, directory: RunDirectory | None, hooks: Hooks) -> None:
    """Train together with the first process, which alone writes.

    Args:
        job: The same as that of the first process.
        directory: Holding the run to resume; None: a new run.
        hooks: How to talk to the caller; this process saves nothing.

    Raises:
        RunError: The saved state is of other work.
        DivergedError, StoppedError: As the first process.
    """
    with job.runtime.world.joined(job.runtime.device):
        earlier = None if directory is None else directory.read_record()
        if directory is not None and earlier is not None:
            job = continuing(job, directory, earlier)
        setup, state = _prepare(job, directory, earlier, hooks)
        fitted = fit(setup, hooks, state)
        if isinstance(setup.panel, PanelShare):
            usual_attention(setup, fitted.networks.final)  # for which the first process needs the windows held here
        if fitted.failure is not None:
            raise fitted.failure


def _prepare(
    job: TrainingJob, directory: RunDirectory | None, earlier: RunRecord | None, hooks: Hooks
) -> tuple[TrainingSetup, TrainingState | None]:
    """Returns the setup, which every process makes, and the saved state to go on from, if there is one.

    Raises:
        RunError: The saved state is damaged, of other work, or gone.
        UsageError: The processes are not about to do the same work.
    """
    saved = None if directory is None or earlier is None else _read_state(job, directory, earlier)
    setup = prepare(job.source.panel, job.plan, job.runtime, job.fingerprint, job.parent)
    setup = settle_steps(setup, job.fingerprint)
    for choice in setup.plan.choices[len(job.plan.choices) :]:
        hooks.on_choice(choice)
    job.runtime.world.require_same(setup.identity, job.runtime.device)
    return setup, None if saved is None else load_state(saved, setup)


def _read_state(job: TrainingJob, directory: RunDirectory, earlier: RunRecord) -> bytes | None:
    """The saved state to go on from, if there is one; read before anything of the size of its network is made.

    Raises:
        RunError: It is damaged, of other work or of another network, or is gone.
    """
    if earlier.status == "training" and not directory.has_checkpoint():
        return None  # killed before its first validation
    config = job.plan.config
    with without_memory():
        network = ForecastNetwork(config.model, config.training.loss, earlier.shape)
    state = directory.read_checkpoint(largest_state(network, config.training))
    require_size(state, network, work_identity(config, job.fingerprint))
    return state


def save_run(job: TrainingJob, fitted: Fit, directory: RunDirectory) -> RunRecord:
    """Write a run that was trained in memory; it has no checkpoint and so cannot be resumed.

    Raises:
        RunError: Another process writes here, or a file cannot be written.
    """
    with lock_directory(directory.path):
        return _write_result(_write_inputs(job, fitted.setup, directory), fitted, directory)


def continuing(job: TrainingJob, directory: RunDirectory, earlier: RunRecord) -> TrainingJob:
    """Returns the job with the values that the run in the directory has settled by its data and its machine."""
    return replace(job, plan=job.plan.continuing(directory.read_config(earlier)))


def _require_same_work(job: TrainingJob, directory: RunDirectory, earlier: RunRecord) -> None:
    """Refuse to go on with other options or another table, and say which.

    Raises:
        RunError: Something that decides the result was changed.
    """
    config = directory.read_config(earlier)
    require_agreement(earlier, config, str(directory.path / RUN_FILE))
    same_table = earlier.data.fingerprint == job.source.fingerprint
    other_table = () if same_table else (f"the table {job.source.table.name} has other content",)
    require_same_settings(str(directory.path), config, job.plan.config, *other_table)


def changed_surroundings(job: TrainingJob, earlier: RunRecord) -> tuple[Notice, ...]:
    """Returns a notice of what has changed since the run was begun and may change the last bits of its numbers."""
    now = {
        "device": (earlier.device, job.runtime.device.type),
        "precision": (earlier.precision, job.runtime.precision),
        "torch": (earlier.torch_version, torch.__version__),
        "seqcast": (earlier.program_version, seqcast.__version__),
        "threads": (earlier.num_threads, torch.get_num_threads()),
        "processes": (earlier.num_processes, job.runtime.world.size),
    }
    changed = [f"{name} {before} ({after} now)" for name, (before, after) in now.items() if before != after]
    if not changed:
        return ()
    text = f"the run was begun with {', '.join(changed)}; the last bits of its numbers may differ"
    return (Notice("repair", text, len(changed)),)


def _write_inputs(
    job: TrainingJob, setup: TrainingSetup, directory: RunDirectory, earlier: RunRecord | None = None
) -> RunRecord:
    """Write the configuration, the scalers, and a record that vouches for them and for no model yet."""
    files = {
        CONFIG_FILE: directory.write_config(setup.config),
        SCALERS_FILE: directory.write(SCALERS_FILE, dump_scalers(setup.scalers)),
    }
    created = datetime.now(UTC).isoformat(timespec="seconds")
    record = _first_record(job, setup, created).model_copy(update={"files": files})
    if earlier is not None:  # its configuration leaves nothing to choose
        record = record.model_copy(update={"created": earlier.created, "choices": earlier.choices})
    directory.write_record(record)
    return record


def _write_result(record: RunRecord, fitted: Fit, directory: RunDirectory) -> RunRecord:
    files = record.files | {MODEL_FILE: directory.write(MODEL_FILE, dump_model(fitted.networks, fitted.setup.scalers))}
    directory.write_metrics(fitted.history)
    attention = usual_attention(fitted.setup, fitted.networks.final)
    status = "finished" if fitted.failure is None else "diverged"
    result = fitted.result
    record = record.model_copy(update={"status": status, "files": files, "result": result, "attention": attention})
    directory.write_record(record)
    return record


def _first_record(job: TrainingJob, setup: TrainingSetup, created: str) -> RunRecord:
    panel, plan, runtime = job.source.panel, setup.plan, job.runtime
    return RunRecord(
        program_version=seqcast.__version__,
        torch_version=torch.__version__,
        status="training",
        created=created,
        device=runtime.device.type,
        precision=runtime.precision,
        num_threads=torch.get_num_threads(),
        num_processes=runtime.world.size,
        frequency=panel.frequency.alias,
        data=job.source.record(),
        parent=None if job.parent is None else job.parent.reference,
        columns=panel.schema,
        series_ids=panel.series_ids,
        shape=setup.network.shape,
        choices=plan.choices,
        notices=tuple(notice.line for notice in job.notices),
    )
