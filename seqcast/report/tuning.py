"""The table of `tune`."""

from collections.abc import Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcast.experiments.tuning.search import Tuning
from seqcast.experiments.tuning.space import Value
from seqcast.experiments.tuning.study import Trial
from seqcast.report.summary import note_text, title_text
from seqcast.report.text import BAD, SENTENCE_WIDTH, plain

_NOTE = (
    "error: validation error divided by the seasonal naive's. The best of many trials looks better on the part that"
    " chose it than it is; `seqcast backtest --test` scores a part that no trial has seen (--test-size)."
)


def tuning_view(tuning: Tuning, command: str) -> RenderableType:
    """One row per trial, the best one marked, and the command that trains with its settings."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for heading in ("trial", "error", *map(_short, tuning.space)):  # a heading may wrap; a number must not be cut
        table.add_column(heading, justify="right", min_width=max(map(len, heading.split())), overflow="fold")
    table.add_column("")
    for trial in tuning.trials:
        values = [_value_text(trial.values[name]) for name in tuning.space]
        style = "bold" if trial == tuning.best else ""
        remark = "best" if trial == tuning.best else "" if trial.outcome == "finished" else trial.outcome
        table.add_row(str(trial.number), _error_text(trial.error), *values, remark, style=style)
    failures = [
        Text(plain(f"trial {trial.number}: {trial.reason}", SENTENCE_WIDTH), BAD)
        for trial in tuning.trials
        if trial.outcome == "failed"
    ]
    title = title_text(f"{len(tuning.trials)} trials; the first is what `seqcast train` does by itself")
    return Group(title, table, *failures, Text(_outcome_text(tuning)), Text(plain(command, 4000)), note_text(_NOTE))


def values_text(values: Mapping[str, Value]) -> str:
    """`context 48, hidden 64, ...`."""
    return ", ".join(f"{_short(name)} {_value_text(value)}" for name, value in values.items())


def trial_text(trial: Trial) -> str:
    """`finished: error 0.843`, `failed: ...`."""
    if trial.outcome == "failed":
        return f"failed: {plain(trial.reason, SENTENCE_WIDTH)}"
    return f"{trial.outcome}: error {_error_text(trial.error)}"


def _outcome_text(tuning: Tuning) -> str:
    if tuning.best == tuning.first:
        return "No trial was better than what `seqcast train` does by itself."
    before, after = tuning.first.error, tuning.best.error
    if before is None or after is None:
        return f"Trial {tuning.best.number} is the best."
    return f"Trial {tuning.best.number} is the best: error {after:.4f} instead of {before:.4f}."


def _short(name: str) -> str:
    return name.partition(".")[2].replace("_", " ")


def _value_text(value: Value) -> str:
    return plain(value) if isinstance(value, str) else f"{value:.3g}" if isinstance(value, float) else str(value)


def _error_text(error: float | None) -> str:
    return "-" if error is None else f"{error:.4f}"
