"""`seqcast train`: train on a table and write a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen, not_first_process
from seqcast.cli.progress import TrainingProgress
from seqcast.cli.runs import record_or_none
from seqcast.cli.settings import PANELS, Settings, with_settings
from seqcast.cli.signals import stop_signals
from seqcast.config import Config
from seqcast.errors import RunError, UsageError
from seqcast.run.configuration_file import read_config

if TYPE_CHECKING:
    from seqcast.experiments.recorded_training import TrainedRun, TrainingJob
    from seqcast.run.directory import RunDirectory
    from seqcast.run.record import RunRecord


@with_settings(*PANELS)
def train(
    data: opt.Data,
    *,
    settings: Settings,
    config: Annotated[
        Path | None,
        typer.Option(help="config.toml of another run; options given here win.", rich_help_panel="Training"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a stopped run.", rich_help_panel="Training")
    ] = False,
    run: Annotated[
        Path | None, opt.OutputOption(readable=False, help="Run directory; runs/<data>-<n> if not given.")
    ] = None,
    overwrite: Annotated[bool, opt.OutputOption("--overwrite", help="Replace the run in the directory.")] = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Train on a table and write a self-contained run directory."""
    if resume and overwrite:
        raise UsageError("--resume continues the run that is there, --overwrite replaces it.", hint="Give one of them.")
    screen = Screen(quiet=quiet, silent=not_first_process())
    from seqcast.reading.source import STDIN
    from seqcast.run.directory import choose_directory

    base, directory = Config(), None
    if resume:
        directory = choose_directory(run or newest_run_of(data), data, overwrite=False, resume=True)
        record = directory.read_record()
        base = directory.read_config(record)
        if record.status == "finished":
            _require_same_options(directory, base, settings)
            _show(screen, directory, record, json=json, note="this run had finished already; nothing was changed")
            return
    if config is not None:
        base = read_config(config)
    job = plan_job(screen, data, base, settings)
    if not job.runtime.world.is_first:
        train_beside(job, directory)
        return
    if directory is None:
        directory = choose_directory(run, "stdin" if data == STDIN else data, overwrite=overwrite, resume=False)
    else:
        from seqcast.experiments.recorded_training import changed_surroundings

        screen.notices(changed_surroundings(job, directory.read_record()))
    screen.say(f"run: {directory.path}")
    trained = run_job(screen, job, directory, resume=resume)
    _show(screen, directory, trained.record, json=json)


def _require_same_options(directory: RunDirectory, began: Config, settings: Settings) -> None:
    """Refuse options that a finished run was not trained with; columns are not compared, as no table is read."""
    from seqcast.run.agreement import require_same_settings

    compared = ("validation_size", "test_size", "non_negative", "integer")
    given = {name: value for name, value in settings.sections["data"].items() if name in compared}
    asked = began.override(**settings.sections | {"data": given})
    require_same_settings(str(directory.path), began, asked)


def newest_run_of(data: str) -> Path:
    """The newest run under runs/ that was trained on this table.

    Raises:
        RunError: There is none.
    """
    from seqcast.run.directory import list_runs
    from seqcast.run.source import absolute_name

    name = absolute_name(data)
    for directory in list_runs():
        record = record_or_none(directory)
        if record is not None and record.data.path == name:
            return directory.path
    raise RunError(f"there is no run of {data} under runs/ to resume.", hint="Name one with --run, or drop --resume.")


def plan_job(screen: Screen, data: str, base: Config, settings: Settings) -> TrainingJob:
    """Read the table, plan the training, and print what was found and chosen."""
    from seqcast.report.text import plain

    config = settings.override(base)
    screen.say(f"reading {plain(data)}")  # before torch is loaded, which takes a while
    from seqcast.distributed import World
    from seqcast.experiments.recorded_training import TrainingJob
    from seqcast.reading.source import STDIN
    from seqcast.report.checks import time_estimate
    from seqcast.run.source import read_source, resolve_roles
    from seqcast.runtime import resolve_runtime
    from seqcast.training.plan import make_plan

    runtime = resolve_runtime(config.training.device, config.training.precision, World.of_environment())
    if runtime.world.size > 1 and data == STDIN:
        raise UsageError("several processes cannot read one standard input.", hint="Name a file that all of them see.")
    source = read_source(data, config.data, settings.reading, settings.static_file)
    plan = make_plan(source.panel, resolve_roles(config, source.panel))
    job = TrainingJob(source, plan, runtime)
    batch_size = plan.config.training.batch_size or 1
    if runtime.world.size > batch_size:
        raise UsageError(
            f"{runtime.world.size} processes cannot share batches of {batch_size} windows.",
            hint="Start fewer of them, or give a larger --batch-size.",
        )
    screen.notices(job.notices)
    for choice in plan.choices:
        screen.say(choice.line)
    screen.say(f"device: {runtime.describe()}")
    if runtime.device.type == "cpu":
        screen.say(f"training time: {time_estimate(plan)}")
    return job


def run_job(screen: Screen, job: TrainingJob, directory: RunDirectory, *, resume: bool) -> TrainedRun:
    """Train with a progress display; signals stop it with its state saved."""
    from seqcast.experiments.recorded_training import train_in_directory
    from seqcast.training.loop import Hooks

    with TrainingProgress(screen) as progress, stop_signals(repeated=job.runtime.world.size > 1) as stop_signal:
        hooks = Hooks(
            on_progress=progress.show,
            on_choice=lambda choice: screen.say(choice.line),
            stop_signal=stop_signal,
        )
        return train_in_directory(job, directory, hooks, resume=resume)


def train_beside(job: TrainingJob, directory: RunDirectory | None) -> None:
    """Train in one of several processes that is not the first."""
    from seqcast.experiments.recorded_training import train_beside_first
    from seqcast.training.loop import Hooks

    with stop_signals(repeated=True) as stop_signal:
        train_beside_first(job, directory, Hooks(stop_signal=stop_signal))


def _show(screen: Screen, directory: RunDirectory, record: RunRecord, *, json: bool, note: str = "") -> None:
    from seqcast.report.runs import training_summary

    if note:
        screen.say(note)
    if json:
        screen.document(
            {"run": str(directory.path), **record.model_dump(mode="json", exclude={"series_ids", "attention"})}
        )
    else:
        screen.result(training_summary(str(directory.path), record))
