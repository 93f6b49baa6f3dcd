"""`seqcast train`: train on a table and write a run directory."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen, not_first_process
from seqcast.cli.progress import TrainingProgress
from seqcast.cli.runs import record_or_none
from seqcast.cli.settings import PANELS, Settings, with_settings
from seqcast.cli.signals import stop_signals
from seqcast.config import PRESETS, Config, Preset, TrackerName
from seqcast.errors import RunError, UsageError
from seqcast.run.configuration_file import read_config

if TYPE_CHECKING:
    from seqcast.experiments.recorded_training import TrainedRun, TrainingJob
    from seqcast.run.directory import RunDirectory
    from seqcast.run.record import ParentRecord, RunRecord
    from seqcast.run.source import Source
    from seqcast.runtime import Runtime


@with_settings(*PANELS)
def train(
    data: opt.Data,
    *,
    settings: Settings,
    config: Annotated[
        Path | None,
        typer.Option(help="config.toml of another run; options given here win.", rich_help_panel="Training"),
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="Settings under one name: fast is a first look, best the last percent at several times the cost.",
            rich_help_panel="Training",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a stopped run.", rich_help_panel="Training")
    ] = False,
    from_run: Annotated[
        Path | None,
        typer.Option(
            "--from",
            readable=False,
            help="Finished run whose networks are trained further, on newer or other series, with its settings.",
            rich_help_panel="Training",
        ),
    ] = None,
    run: Annotated[
        Path | None, opt.OutputOption(readable=False, help="Run directory; runs/<data>-<n> if not given.")
    ] = None,
    overwrite: Annotated[bool, opt.OutputOption("--overwrite", help="Replace the run in the directory.")] = False,
    track: Annotated[
        TrackerName | None, opt.OutputOption(help="Tell a tracker of experiments the settings, losses and files.")
    ] = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Train on a table and write a self-contained run directory.

    A training that was stopped goes on in its own directory with --resume. A new run begins with the networks of a
    finished one with --from.
    """
    _require_one_beginning(resume=resume, overwrite=overwrite, config=config, from_run=from_run)
    if preset is not None and (resume or from_run is not None):
        raise UsageError(f"--preset {preset}: the settings are those of a run.", hint="Leave --preset out.")
    if track is not None:
        from seqcast.experiments.tracking import require_tracker

        require_tracker(track)
    screen = Screen(quiet=quiet, silent=not_first_process())
    from seqcast.reading.source import STDIN
    from seqcast.run.directory import choose_directory, find_run

    base, directory = Config(), None
    parent: RunDirectory | ParentRecord | None = None
    if from_run is not None:
        parent = find_run(from_run)
        parent.read_record()  # a directory without a run is refused before torch is loaded
        _require_other_directory(parent, run)
    if resume:
        directory = choose_directory(run or newest_run_of(data), data, overwrite=False, resume=True)
        record = directory.read_record()
        base, parent = directory.read_config(record), record.parent
        if record.status == "finished":
            _require_same_options(directory, base, settings)
            _show(screen, directory, record, json=json, note="this run had finished already; nothing was changed")
            return
    if config is not None:
        base = read_config(config)
    if preset is not None:
        base = base.override(**PRESETS[preset])
        screen.say(f"preset {preset}: {_words(PRESETS[preset])}; options given here win")
    with ExitStack() as connections:
        job = plan_job(screen, data, base, settings, parent, connections)
        if not job.runtime.world.is_first:
            train_beside(job, directory)
            return
        if directory is None:
            directory = choose_directory(run, "stdin" if data == STDIN else data, overwrite=overwrite, resume=False)
        else:
            from seqcast.experiments.recorded_training import changed_surroundings

            screen.notices(changed_surroundings(job, directory.read_record()))
        screen.say(f"run: {directory.path}")
        trained = run_job(screen, job, directory, resume=resume, track=track)
    _show(screen, directory, trained.record, json=json)


def _require_one_beginning(*, resume: bool, overwrite: bool, config: Path | None, from_run: Path | None) -> None:
    """Refuse options of which each says where a training begins."""
    if resume and overwrite:
        raise UsageError("--resume continues the run that is there, --overwrite replaces it.", hint="Give one of them.")
    if resume and from_run is not None:
        raise UsageError(
            "--resume continues a training that was stopped, --from makes a new run out of a finished one.",
            hint="Give one of them; a stopped run that was begun with --from is continued by --resume alone.",
        )
    if config is not None and from_run is not None:
        raise UsageError(
            "--from takes the settings of the run, --config those of a file.",
            hint="Give one of them; options change single settings.",
        )


def _words(sections: dict[str, dict[str, Any]]) -> str:
    """Settings as config.toml has them: `max_steps = 300, refit = false`."""
    return ", ".join(f"{name} = {str(value).lower()}" for values in sections.values() for name, value in values.items())


def _require_other_directory(parent: RunDirectory, run: Path | None) -> None:
    if run is not None and run.resolve() == parent.path.resolve():
        raise UsageError(
            "--run and --from name the same directory.", hint="Give --run another one; --from is read, not changed."
        )


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


def plan_job(
    screen: Screen,
    data: str,
    base: Config,
    settings: Settings,
    parent: RunDirectory | ParentRecord | None,
    connections: ExitStack,
) -> TrainingJob:
    """Read the table, plan the training, and print what was found and chosen.

    Args:
        screen: Where to print.
        data: The table.
        base: Settings where none are given.
        settings: The given ones.
        parent: The run to go on from, whose settings are taken over, or that of the run that is resumed; None without.
        connections: Where the connection with other processes stays open.
    """
    from seqcast.report.text import plain

    if parent is None:
        base = settings.override(base)  # what is wrong with an option alone is told before a long read
    screen.say(f"reading {plain(data)}")  # before torch is loaded, which takes a while
    from seqcast.experiments.recorded_training import TrainingJob
    from seqcast.report.checks import time_estimate
    from seqcast.run.source import resolve_roles
    from seqcast.training.plan import make_plan

    if parent is not None:
        job = _fine_tuning_job(data, base, settings, parent)
        if job.runtime.world.size > 1:
            screen.say("every process reads the whole table: a finished run is trained further")
    else:
        runtime = _runtime(base, data)
        source = _read(screen, data, base, settings, runtime, connections)
        job = TrainingJob(source, make_plan(source.panel, resolve_roles(base, source.panel)), runtime)
    batch_size = job.plan.config.training.batch_size or 1
    if job.runtime.world.size > batch_size:
        raise UsageError(
            f"{job.runtime.world.size} processes cannot share batches of {batch_size} windows.",
            hint="Start fewer of them, or give a larger --batch-size.",
        )
    screen.notices(job.notices)
    for choice in job.plan.choices:
        screen.say(choice.line)
    screen.say(f"device: {job.runtime.describe()}")
    if job.runtime.device.type == "cpu":
        screen.say(f"training time: {time_estimate(job.plan)}")
    return job


def _read(
    screen: Screen, data: str, config: Config, settings: Settings, runtime: Runtime, connections: ExitStack
) -> Source:
    """The table, or the share of its series that this one of several processes holds."""
    from seqcast.reading.shares import Unshared, find_share
    from seqcast.run.shared_source import read_own_share, whole_source
    from seqcast.run.source import read_source

    world = runtime.world
    if world.size > 1:
        share = find_share(data, config.data, settings.reading, world.rank, world.size)
        if not isinstance(share, Unshared):
            own = read_own_share(share, config.data, settings.reading, settings.static_file)
            connections.enter_context(world.joined(runtime.device))
            return whole_source(own, share, world.gathered)
        screen.say(f"every process reads the whole table: {share.reason}")
    return read_source(data, config.data, settings.reading, settings.static_file)


def _fine_tuning_job(data: str, base: Config, settings: Settings, parent: RunDirectory | ParentRecord) -> TrainingJob:
    """The job of a training that takes up the networks of a finished run."""
    from seqcast.experiments.recorded_training import fine_tuning_job
    from seqcast.run.directory import RunDirectory
    from seqcast.run.headings import Given
    from seqcast.run.parent import load_parent, load_same_parent
    from seqcast.run.source import read_source_like
    from seqcast.training.fine_tuning import inherited_config

    if isinstance(parent, RunDirectory):
        record = parent.read_record()
        config, choices = inherited_config(str(parent.path), record, parent.read_config(record), settings.sections)
        runtime = _runtime(config, data)
        loaded = load_parent(parent, runtime.device)
    else:
        config, choices = settings.override(base), ()
        runtime = _runtime(config, data)
        loaded = load_same_parent(parent, runtime.device)
    given = Given(settings.sections["data"], settings.reading, settings.static_file)
    source = read_source_like(loaded.record, config, data, given)
    return fine_tuning_job(source, config, runtime, loaded, choices)


def _runtime(config: Config, data: str) -> Runtime:
    """The device, precision and processes of a training on a table."""
    from seqcast.distributed import World
    from seqcast.reading.source import STDIN
    from seqcast.runtime import resolve_runtime

    runtime = resolve_runtime(config.training.device, config.training.precision, World.of_environment())
    if runtime.world.size > 1 and data == STDIN:
        raise UsageError("several processes cannot read one standard input.", hint="Name a file that all of them see.")
    return runtime


def run_job(
    screen: Screen, job: TrainingJob, directory: RunDirectory, *, resume: bool, track: TrackerName | None = None
) -> TrainedRun:
    """Train with a progress display, tracked where asked for; signals stop it with its state saved."""
    from seqcast.experiments.recorded_training import train_in_directory
    from seqcast.experiments.tracking import TRACKERS, tracked
    from seqcast.training.loop import Hooks

    following = nullcontext() if track is None else tracked(TRACKERS[track](), directory, screen.notices, resume=resume)
    with (
        following as tracking,
        TrainingProgress(screen) as progress,
        stop_signals(repeated=job.runtime.world.size > 1) as stop_signal,
    ):
        hooks = Hooks(
            on_progress=progress.show,
            save=Hooks().save if tracking is None else tracking.save,
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
