"""`seqcast tune`: search for the settings that forecast the validation part of a table best."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.engine_choice import EngineChoice
from seqcast.cli.progress import TrainingProgress
from seqcast.cli.settings import PANELS, Settings, with_settings
from seqcast.cli.signals import stop_signals
from seqcast.config import DURATION, Config, duration_seconds
from seqcast.errors import UsageError
from seqcast.extras import import_extra
from seqcast.run.configuration_file import read_config

if TYPE_CHECKING:
    from seqcast.experiments.tuning.search import SharedSearch, Tuning
    from seqcast.experiments.tuning.study import Suggestion, Trial


@with_settings(*PANELS, omit=("time_limit", "freeze"))
def tune(
    data: opt.Data,
    *,
    trials: Annotated[
        int, typer.Option(min=1, metavar="<int>", help="Trials of the whole study.", rich_help_panel="Search")
    ] = 20,
    budget: Annotated[
        str | None, typer.Option(help="How long to search, such as 90s, 30m or 2h.", rich_help_panel="Search")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="config.toml to search around; options given here win.", rich_help_panel="Search"),
    ] = None,
    settings: Settings,
    engine: opt.EngineName = "single",
    address: opt.Address = None,
    workers: opt.Workers = None,
    run: Annotated[Path | None, opt.OutputOption(help="Directory of the study; runs/<data>-tune if not given.")] = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Search for the settings that forecast the validation part best.

    Searched are context, hidden, layers, dropout, learning rate, score and loss, each unless it is given as an option.
    Run the same command again to continue an earlier search, or several times at once to share one.
    """
    seconds = _budget_seconds(budget)
    choice = EngineChoice.from_options(engine, address, workers)
    screen = Screen(quiet=quiet)
    import_extra("optuna", "tune", "seqcast tune")
    from seqcast.experiments.tuning.search import Budget, Search, SharedSearch
    from seqcast.reading.source import STDIN
    from seqcast.run.directory import name_of_data
    from seqcast.run.source import read_source
    from seqcast.runtime import resolve_runtime

    base = settings.override(Config() if config is None else read_config(config))
    runtime = resolve_runtime(base.training.device, base.training.precision)
    source = read_source(data, base.data, settings.reading, settings.static_file)
    screen.notices(source.notices)
    fixed = frozenset(f"{section}.{name}" for section, values in settings.sections.items() for name in values)
    search = Search(source, base, runtime, fixed)
    stem = "stdin" if data == STDIN else name_of_data(data)
    directory = run or Path("runs") / f"{stem}-tune"
    screen.say(f"study: {directory}")
    shared = SharedSearch(search, directory, Budget(trials, seconds))
    found = _run(screen, shared) if choice.name == "single" else _run_on_workers(screen, shared, choice)
    _show(screen, data, directory, found, json=json)


def _budget_seconds(text: str | None) -> float:
    """The time to search, in seconds; endless if not given.

    Raises:
        UsageError: It is no duration, or leaves no time.
    """
    if text is None:
        return float("inf")
    if not re.fullmatch(DURATION, text):
        raise UsageError(f"--budget {text!r} is no time to search.", hint="Give one such as 600, 90s, 30m or 2h.")
    return duration_seconds(text)


def _run(screen: Screen, shared: SharedSearch) -> Tuning:
    """Search with progress on the screen; a signal stops the search and keeps its finished trials."""
    from seqcast.experiments.tuning.search import SearchHooks
    from seqcast.experiments.tuning.search import tune as run_search
    from seqcast.report.tuning import values_text
    from seqcast.training.loop import Hooks

    with TrainingProgress(screen, validations=False) as progress, stop_signals() as stop_signal:

        def tell_begin(suggestion: Suggestion) -> None:
            origin = ", left by a process that has ended" if suggestion.is_taken_over else ""
            number, total = suggestion.number, shared.budget.num_trials
            screen.say(f"trial {number} of {total}{origin}: {values_text(suggestion.values)}")

        hooks = Hooks(on_progress=progress.show, stop_signal=stop_signal)
        told = SearchHooks(tell_begin, lambda trial: _tell_end(screen, trial), hooks)
        return run_search(shared.search, shared.directory, shared.budget, told)


def _run_on_workers(screen: Screen, shared: SharedSearch, choice: EngineChoice) -> Tuning:
    """Search on the workers of an engine, and tell of every trial that ends."""
    from seqcast.experiments.tuning.study import STUDY_FILE, kept_trials

    file = shared.directory / STUDY_FILE
    num_told = len(kept_trials(file))

    with stop_signals() as stop_signal, choice.starting(shared.search.runtime.device.type) as starting:
        engine = starting.engine(screen, shared.search.runtime.device)

        def watch() -> int | None:
            nonlocal num_told
            for trial in kept_trials(file)[num_told:]:
                _tell_end(screen, trial)
                num_told += 1
            return stop_signal()

        return shared.run(engine, watch)


def _tell_end(screen: Screen, trial: Trial) -> None:
    from seqcast.report.tuning import trial_text

    screen.say(f"trial {trial.number} {trial_text(trial)}")


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
