from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType

from seqcast.config import Config
from seqcast.report.tuning import trial_text, tuning_view, values_text
from seqcast.tuning.search import Tuning
from seqcast.tuning.space import Choice, Range, Value
from seqcast.tuning.study import Trial

Show = Callable[[RenderableType, int], str]
SPACE = (Choice("model.score", ("general", "dot")), Range("training.learning_rate", 1e-3, 2e-2))
VALUES: dict[str, Value] = {"model.score": "general", "training.learning_rate": 0.0051234}


def trial(number: int, error: float | None, outcome: str = "finished", reason: str = "") -> Trial:
    return Trial(number, outcome, VALUES, error, 12.34, reason)  # type: ignore[arg-type]


def view(*trials: Trial, best: int) -> RenderableType:
    return tuning_view(Tuning(SPACE, trials, trials[best - 1], Config()), "seqcast train a[b].csv --config c.toml")


def test_every_trial_is_a_row_and_the_best_one_is_marked(show: Show) -> None:
    text = show(view(trial(1, 0.91234), trial(2, 0.8), trial(3, 0.95, "pruned"), best=2), 80)
    rows = [line.split() for line in text.splitlines() if line.strip()[:1].isdigit() and "trials" not in line]
    assert rows == [
        ["1", "0.9123", "general", "0.00512", "12.3"],
        ["2", "0.8000", "general", "0.00512", "12.3", "best"],
        ["3", "0.9500", "general", "0.00512", "12.3", "pruned"],
    ]
    assert "Trial 2 is the best: error 0.8000 instead of 0.9123." in text
    assert "seqcast train a[b].csv --config c.toml" in text


def test_why_a_trial_failed_is_told_as_data(show: Show) -> None:
    text = show(view(trial(1, 0.9), trial(2, None, "failed", "[red]it\x1b diverged"), best=1), 80)
    assert "trial 2: [red]it\\x1b diverged" in text
    assert "No trial was better than what `seqcast train` does by itself." in text


def test_a_first_trial_that_failed_is_no_reference(show: Show) -> None:
    assert "Trial 2 is the best.\n" in show(view(trial(1, None, "failed", "why"), trial(2, 0.8), best=2), 200).replace(
        " \n", "\n"
    )


def test_progress_is_told_in_short() -> None:
    assert values_text(VALUES) == "score general, learning rate 0.00512"
    assert trial_text(trial(1, 0.91234)) == "finished: error 0.9123"
    assert trial_text(trial(1, 0.5, "pruned")) == "pruned: error 0.5000"
    assert trial_text(trial(1, None, "failed", "it\x07 diverged")) == "failed: it\\x07 diverged"
