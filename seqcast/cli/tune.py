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
from seqcast.cli.settings import PANELS, Settings, with_settings
from seqcast.cli.signals import stop_signals
from seqcast.config import Config
from seqcast.errors import UsageError
from seqcast.extras import import_extra
from seqcast.run.configuration_file import read_config

if TYPE_CHECKING:
    from seqcast.experiments.tuning.search import Budget, Search, Tuning
    from seqcast.experiments.tuning.space import Value
    from seqcast.experiments.tuning.study import Trial

DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|min|h)?")
MEANT_AS_DURATION = re.compile(r"[-+]?\d+(?:\.\d+)?\s*[a-z]{0,7}")
_SECONDS = {None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}


@with_settings(*PANELS, omit=("time",))
def tune(
    data: opt.Data,
    *,
    trials: Annotated[int, typer.Option(min=1, help="Trials of the whole study.", rich_help_panel="Search")] = 20,
    time: Annotated[
        list[str] | None,
        typer.Option(
            help="How long to search (600, 90s, 30m, 2h), or the time column; may be given twice.",
            rich_help_panel="Search",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="config.toml to search around; options given here win.", rich_help_panel="Search"),
    ] = None,
    settings: Settings,
    run: Annotated[Path | None, opt.OutputOption(help="Directory of the study; runs/<data>-tune if not given.")] = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Search for the settings that forecast the validation part best.

    Searched are context, hidden, layers, dropout, learning rate, score and loss, each unless it is given as an option.
    Run the same command again to continue an earlier search.
    """
    column, seconds = column_and_seconds(time or [])
    screen = Screen(quiet=quiet)
    import_extra("optuna", "tune", "seqcast tune")
    from seqcast.experiments.tuning.search import Budget, Search
    from seqcast.reading.source import STDIN
    from seqcast.run.source import read_source
    from seqcast.runtime import resolve_runtime

    if column is not None:
        settings.sections["data"]["time"] = column
    base = settings.override(Config() if config is None else read_config(config))
    runtime = resolve_runtime(base.training.device, base.training.precision)
    source = read_source(data, base.data, settings.reading, settings.static_file)
    screen.notices(source.notices)
    fixed = frozenset(f"{section}.{name}" for section, values in settings.sections.items() for name in values)
    search = Search(source, base, runtime, fixed)
    stem = "stdin" if data == STDIN else Path(data).name.split(".")[0]
    directory = run or Path("runs") / f"{stem}-tune"
    screen.say(f"study: {directory}")
    _show(screen, data, directory, _run(screen, search, directory, Budget(trials, seconds)), json=json)


def column_and_seconds(texts: list[str]) -> tuple[str | None, float]:
    """Split the values of `--time` into the time column and the seconds to search.

    Raises:
        UsageError: Two values are of one kind, or one looks like a duration and is not.
    """
    durations = [match for match in map(DURATION.fullmatch, texts) if match]
    columns = [text for text in texts if not DURATION.fullmatch(text)]
    unclear = next(filter(MEANT_AS_DURATION.fullmatch, columns), None)
    if unclear is not None:
        raise UsageError(f"--time {unclear!r} is not a duration.", hint="Give one such as 600, 90s, 30m or 2h.")
    if len(durations) > 1 or len(columns) > 1:
        raise UsageError("--time takes one duration, such as 600, 90s, 30m or 2h, and one time column.")
    seconds = float(durations[0][1]) * _SECONDS[durations[0][2]] if durations else float("inf")
    if not seconds:
        raise UsageError("--time 0 leaves no time to search.", hint="Give a duration such as 90s or 30m.")
    return (columns[0] if columns else None), seconds


def _run(screen: Screen, search: Search, directory: Path, budget: Budget) -> Tuning:
    """Search with progress on the screen; a signal stops the search and keeps its finished trials."""
    from seqcast.experiments.tuning.search import SearchHooks
    from seqcast.experiments.tuning.search import tune as run_search
    from seqcast.report.tuning import trial_text, values_text
    from seqcast.training.loop import Hooks

    with TrainingProgress(screen, validations=False) as progress, stop_signals() as stop_signal:

        def tell_begin(number: int, values: dict[str, Value]) -> None:
            screen.say(f"trial {number} of {budget.num_trials}: {values_text(values)}")

        def tell_end(trial: Trial) -> None:
            screen.say(f"trial {trial.number} {trial_text(trial)}")

        hooks = Hooks(on_progress=progress.show, stop_signal=stop_signal)
        return run_search(search, directory, budget, SearchHooks(tell_begin, tell_end, hooks))


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
