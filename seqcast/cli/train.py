"""`seqcast train`: learn from a table and write a run directory."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen, not_first_process
from seqcast.cli.progress import TrainingProgress
from seqcast.cli.runs import record_or_none
from seqcast.config import (
    AdditiveOrder,
    Attention,
    Cell,
    Config,
    Decoding,
    Loss,
    Normaliser,
    Precision,
    Score,
    read_config,
)
from seqcast.errors import RunError, UsageError

if TYPE_CHECKING:
    from seqcast.experiments.recorded_training import TrainedRun, TrainingJob
    from seqcast.reading.table import ReadOptions
    from seqcast.run.directory import RunDirectory
    from seqcast.run.record import RunRecord

Number = Annotated[int | None, typer.Option()]


def train(
    data: opt.Data,
    *,
    target: opt.Target = None,
    time: opt.Time = None,
    id: opt.Id = None,  # noqa: A002  # the option is called --id
    freq: opt.Freq = None,
    known: opt.Known = None,
    past: opt.Past = None,
    static: opt.Static = None,
    static_file: opt.StaticFile = None,
    delimiter: opt.Delimiter = None,
    decimal: opt.Decimal = None,
    encoding: opt.Encoding = None,
    time_format: opt.TimeFormat = None,
    time_unit: opt.TimeUnit = None,
    na_value: opt.NaValue = None,
    timezone: opt.Timezone = None,
    horizon: Annotated[int | None, typer.Option(help="Steps to forecast; default: from the frequency.")] = None,
    context: Annotated[int | None, typer.Option(help="Past steps to read; default: from frequency and length.")] = None,
    validation_size: opt.ValidationSize = None,
    test_size: opt.TestSize = None,
    attention: Annotated[Attention | None, typer.Option(help="Which lags may be attended.")] = None,
    score: Annotated[Score | None, typer.Option(help="How a decoder state scores an encoder state.")] = None,
    additive_order: Annotated[AdditiveOrder | None, typer.Option(help="Which state asks an additive score.")] = None,
    normaliser: Annotated[Normaliser | None, typer.Option(help="What turns scores into weights.")] = None,
    decoding: Annotated[Decoding | None, typer.Option(help="All steps at once, or one from the other.")] = None,
    input_feeding: Annotated[
        bool | None, typer.Option(help="Join the last attentional state to the next input.")
    ] = None,
    repeat_context: Annotated[bool | None, typer.Option(help="Join the encoder's summary to every step.")] = None,
    reverse_input: Annotated[bool | None, typer.Option(help="Read the context newest first.")] = None,
    cell: Annotated[Cell | None, typer.Option(help="Recurrent cell.")] = None,
    bidirectional: Annotated[bool | None, typer.Option(help="Read the context in both directions.")] = None,
    hidden: Annotated[int | None, typer.Option(help="Width of the recurrent state.")] = None,
    layers: Annotated[int | None, typer.Option(help="Stacked recurrent layers.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of values dropped in training.")] = None,
    copy: Annotated[
        bool | None, typer.Option("--copy/--no-copy", help="Let the output mix in attended values.")
    ] = None,
    lag_bias: Annotated[bool | None, typer.Option(help="Add a learned step x lag term to the score.")] = None,
    loss: Annotated[Loss | None, typer.Option(help="What training makes small.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Most optimiser steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Windows per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    patience: Annotated[int | None, typer.Option(help="Validations without improvement before stopping.")] = None,
    refit: Annotated[
        bool | None, typer.Option(help="Learn from the validation part too, once it is known how long to train.")
    ] = None,
    ensemble: Annotated[int | None, typer.Option(help="Networks from different seeds, averaged.")] = None,
    precision: Annotated[Precision | None, typer.Option(help="Of the network's products.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, machine and options: same run.")] = None,
    config: Annotated[Path | None, typer.Option(help="config.toml of another run; options given here win.")] = None,
    run: Annotated[Path | None, typer.Option(readable=False, help="Run directory; default: runs/<data>-<n>.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a stopped run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that is there.")] = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Learn from a table and write a self-contained run directory."""
    given = {name: value for name, value in locals().items() if value is not None}
    if resume and overwrite:
        raise UsageError("--resume continues the run that is there, --overwrite replaces it.", hint="Give one of them.")
    screen = Screen(quiet=quiet, silent=not_first_process())
    from seqcast.reading.source import STDIN
    from seqcast.reading.table import ReadOptions
    from seqcast.run.directory import choose_directory

    reading = ReadOptions(delimiter, decimal, encoding, time_format, time_unit, tuple(na_value or ()), timezone)
    base, directory = Config(), None
    if resume:
        directory = choose_directory(run or newest_run_of(data), data, overwrite=False, resume=True)
        record = directory.read_record()
        base = directory.read_config(record)
        if record.status == "finished":
            _require_same_options(directory, base, given)
            _show(screen, directory, record, json=json, note="this run had finished already; nothing was changed")
            return
    if config is not None:
        base = read_config(config)
    job = plan_job(screen, data, base.override(**given_sections(given)), reading, static_file)
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


def given_sections(given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The options of the command line as configuration sections."""
    renamed = {"copy": "copy_gate"}
    sections: dict[str, dict[str, Any]] = {}
    for section, model in Config.model_fields.items():
        fields = model.annotation.model_fields if model.annotation is not None else {}
        values = {renamed.get(name, name): value for name, value in given.items()}
        sections[section] = {name: value for name, value in values.items() if name in fields}
    for role in ("target", "known", "past", "static"):
        if role in sections["data"]:
            sections["data"][role] = opt.names(sections["data"][role])
    return sections


def _require_same_options(directory: RunDirectory, began: Config, given: dict[str, Any]) -> None:
    """Refuse options that a finished run was not trained with; columns are not compared, as no table is read for it."""
    from seqcast.run.agreement import require_same_settings

    sections = given_sections(given)
    sizes = {name: value for name, value in sections.pop("data").items() if name.endswith("_size")}
    require_same_settings(str(directory.path), began, began.override(data=sizes, **sections))


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


def plan_job(screen: Screen, data: str, config: Config, reading: ReadOptions, static_file: Path | None) -> TrainingJob:
    """Read, plan, and tell what was found and chosen."""
    from seqcast.report.text import plain

    screen.say(f"reading {plain(data)}")  # before torch is loaded, which takes a while
    from seqcast.distributed import World
    from seqcast.experiments.recorded_training import TrainingJob
    from seqcast.reading.source import STDIN
    from seqcast.run.source import read_source, resolve_roles
    from seqcast.runtime import resolve_runtime
    from seqcast.training.plan import make_plan

    runtime = resolve_runtime(config.training.device, config.training.precision, World.of_environment())
    if runtime.world.size > 1 and data == STDIN:
        raise UsageError("several processes cannot read one standard input.", hint="Name a file that all of them see.")
    source = read_source(data, config.data, reading, None if static_file is None else str(static_file))
    plan = make_plan(source.panel, resolve_roles(config, source.panel))
    job = TrainingJob(source, plan, runtime)
    batch_size = plan.config.training.batch_size or 1
    if runtime.world.size > batch_size:
        raise UsageError(
            f"{runtime.world.size} processes cannot share batches of {batch_size} windows.",
            hint="Start fewer of them, or give a greater --batch-size.",
        )
    screen.notices(job.notices)
    for choice in plan.choices:
        screen.say(f"{choice.name}: {choice.value} ({choice.reason})")
    screen.say(f"device: {runtime.describe()}")
    return job


def run_job(screen: Screen, job: TrainingJob, directory: RunDirectory, *, resume: bool) -> TrainedRun:
    """Train with a progress display; signals stop it with its state saved."""
    from seqcast.experiments.recorded_training import train_in_directory
    from seqcast.training.loop import Hooks

    with TrainingProgress(screen) as progress, stop_signals(repeated=job.runtime.world.size > 1) as stop_signal:
        hooks = Hooks(on_progress=progress.show, stop_signal=stop_signal)
        return train_in_directory(job, directory, hooks, resume=resume)


def train_beside(job: TrainingJob, directory: RunDirectory | None) -> None:
    """Train in a process that is not the first of several."""
    from seqcast.experiments.recorded_training import train_beside_first
    from seqcast.training.loop import Hooks

    with stop_signals(repeated=True) as stop_signal:
        train_beside_first(job, directory, Hooks(stop_signal=stop_signal))


@contextmanager
def stop_signals(*, repeated: bool = False) -> Iterator[Callable[[], int | None]]:
    """While open, the first of SIGINT, SIGTERM, SIGHUP is remembered instead of acted on; a second ends at once.

    Those that the caller ignores (`nohup`) stay ignored. `repeated`: further signals mean the same, as `torchrun` sends
    them to processes that the terminal has told already.
    """
    received: list[int] = []
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]

    def remember(number: int, _frame: object) -> None:
        received.append(number)
        for each in () if repeated else numbers:
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, action in before.items():
            signal.signal(number, action)


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
