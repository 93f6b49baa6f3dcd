"""`seqcast tune`: search for the settings that forecast the validation part of a table best."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.progress import TrainingProgress
from seqcast.cli.train import given_sections, stop_signals
from seqcast.config import Attention, Cell, Config, Decoding, Loss, Precision, Score, read_config
from seqcast.errors import UsageError
from seqcast.extras import import_extra

if TYPE_CHECKING:
    from seqcast.experiments.tuning.search import Budget, Search, Tuning
    from seqcast.experiments.tuning.space import Value
    from seqcast.experiments.tuning.study import Trial

DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|min|h)?")
MEANT_AS_DURATION = re.compile(r"[-+]?\d+(?:\.\d+)?\s*[a-z]{0,7}")
_SECONDS = {None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def tune(
    data: opt.Data,
    *,
    trials: Annotated[int, typer.Option(min=1, help="Trials of the whole study.")] = 20,
    time: Annotated[
        list[str] | None,
        typer.Option(
            help="How long to search, as 600, 90s, 30m or 2h; any other text is the time column, as in train."
        ),
    ] = None,
    target: opt.Target = None,
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
    validation_size: Annotated[int | None, typer.Option(help="Steps per series that trials are judged by.")] = None,
    test_size: Annotated[int | None, typer.Option(help="Last steps per series that no trial sees.")] = None,
    context: Annotated[int | None, typer.Option(help="Past steps to read; not searched when given.")] = None,
    hidden: Annotated[int | None, typer.Option(help="Width of the state; not searched when given.")] = None,
    layers: Annotated[int | None, typer.Option(help="Stacked layers; not searched when given.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of values dropped; not searched when given.")] = None,
    score: Annotated[Score | None, typer.Option(help="Score of the attention; not searched when given.")] = None,
    loss: Annotated[Loss | None, typer.Option(help="What training makes small; not searched when given.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak rate; not searched when given.")] = None,
    attention: Annotated[Attention | None, typer.Option(help="Which lags may be attended.")] = None,
    decoding: Annotated[Decoding | None, typer.Option(help="All steps at once, or one from the other.")] = None,
    cell: Annotated[Cell | None, typer.Option(help="Recurrent cell.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Most optimiser steps of each trial.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Windows per step.")] = None,
    patience: Annotated[int | None, typer.Option(help="Validations without improvement before stopping.")] = None,
    precision: Annotated[Precision | None, typer.Option(help="Of the network's products.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the search and of every trial.")] = None,
    config: Annotated[Path | None, typer.Option(help="config.toml to search around; options given here win.")] = None,
    run: Annotated[Path | None, typer.Option(help="Directory of the study; default: runs/<data>-tune.")] = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Search for better settings; the same command goes on where an earlier one ended."""
    given = {name: value for name, value in locals().items() if value is not None}
    given["time"], seconds = column_and_seconds(time or [])
    screen = Screen(quiet=quiet)
    import_extra("optuna", "tune", "seqcast tune")
    from seqcast.experiments.tuning.search import Budget, Search
    from seqcast.reading.source import STDIN
    from seqcast.reading.table import ReadOptions
    from seqcast.run.source import read_source
    from seqcast.runtime import resolve_runtime

    reading = ReadOptions(delimiter, decimal, encoding, time_format, time_unit, tuple(na_value or ()), timezone)
    sections = given_sections({name: value for name, value in given.items() if value is not None})
    base = (Config() if config is None else read_config(config)).override(**sections)
    runtime = resolve_runtime(base.training.device, base.training.precision)
    source = read_source(data, base.data, reading, None if static_file is None else str(static_file))
    screen.notices(source.notices)
    fixed = frozenset(f"{section}.{name}" for section, values in sections.items() for name in values)
    search = Search(source, base, runtime, fixed)
    stem = "stdin" if data == STDIN else Path(data).name.split(".")[0]
    directory = run or Path("runs") / f"{stem}-tune"
    screen.say(f"study: {directory}")
    _show(screen, data, directory, _run(screen, search, directory, Budget(trials, seconds)), json=json)


def column_and_seconds(texts: list[str]) -> tuple[str | None, float]:
    """What `--time` was given, once or twice: the name of the time column, and how long to search.

    Raises:
        UsageError: Two of one kind were given, or what is no duration though it looks like one.
    """
    durations = [match for match in map(DURATION.fullmatch, texts) if match]
    columns = [text for text in texts if not DURATION.fullmatch(text)]
    unclear = next(filter(MEANT_AS_DURATION.fullmatch, columns), None)
    if unclear is not None:
        raise UsageError(f"--time {unclear!r} is no duration.", hint="Give one such as 600, 90s, 30m or 2h.")
    if len(durations) > 1 or len(columns) > 1:
        raise UsageError("--time takes one duration, such as 600, 90s, 30m or 2h, and one time column.")
    seconds = float(durations[0][1]) * _SECONDS[durations[0][2]] if durations else float("inf")
    if not seconds:
        raise UsageError("--time 0 leaves no time to search.", hint="Give a duration such as 90s or 30m.")
    return (columns[0] if columns else None), seconds


def _run(screen: Screen, search: Search, directory: Path, budget: Budget) -> Tuning:
    """The search with its progress on the screen; signals stop it with its finished trials kept."""
    from seqcast.experiments.tuning.search import Watch
    from seqcast.experiments.tuning.search import tune as run_search
    from seqcast.report.tuning import trial_text, values_text
    from seqcast.training.loop import Hooks

    with TrainingProgress(screen, validations=False) as progress, stop_signals() as stop_signal:

        def tell_begin(number: int, values: dict[str, Value]) -> None:
            screen.say(f"trial {number} of {budget.num_trials}: {values_text(values)}")

        def tell_end(trial: Trial) -> None:
            screen.say(f"trial {trial.number} {trial_text(trial)}")

        hooks = Hooks(on_progress=progress.show, stop_signal=stop_signal)
        return run_search(search, directory, budget, Watch(tell_begin, tell_end, hooks))


def _show(screen: Screen, data: str, directory: Path, found: Tuning, *, json: bool) -> None:
    from dataclasses import asdict

    from seqcast.report.tuning import tuning_view
    from seqcast.run.record import CONFIG_FILE

    file = directory / CONFIG_FILE
    if json:
        trials = [asdict(trial) for trial in found.trials]
        screen.document({"run": str(directory), "config": str(file), "best": asdict(found.best), "trials": trials})
    else:
        screen.result(tuning_view(found, f"seqcast train {shlex.quote(data)} --config {shlex.quote(str(file))}"))
