from rich.console import RenderableType

from seqcast.config import Config
from seqcast.experiments.tuning.search import Tuning
from seqcast.experiments.tuning.space import Value
from seqcast.experiments.tuning.study import Trial
from seqcast.report.tuning import trial_text, tuning_view, values_text
from tests.report.rendering import shown

SPACE = ("model.score", "training.learning_rate")
VALUES: dict[str, Value] = {"model.score": "general", "training.learning_rate": 0.0051234}


def trial(number: int, error: float | None, outcome: str = "finished", reason: str = "") -> Trial:
    return Trial(number, outcome, VALUES, error, 12.34, reason)  # type: ignore[arg-type]


def view(*trials: Trial, best: int) -> RenderableType:
    return tuning_view(Tuning(SPACE, trials, trials[best - 1], Config()), "seqcast train a[b].csv --config c.toml")


def test_every_trial_is_a_row_and_the_best_one_is_marked() -> None:
    text = shown(view(trial(1, 0.91234), trial(2, 0.8), trial(3, 0.95, "pruned"), best=2))
    rows = [line.split() for line in text.splitlines() if line.strip()[:1].isdigit() and "trials" not in line]
    assert rows == [
        ["1", "0.9123", "general", "0.00512"],
        ["2", "0.8000", "general", "0.00512", "best"],
        ["3", "0.9500", "general", "0.00512", "pruned"],
    ]
    assert "Trial 2 is the best: error 0.8000 instead of 0.9123." in text
    assert "seqcast train a[b].csv --config c.toml" in text


def test_80_columns_are_enough_for_every_number() -> None:
    names = ("context", "hidden", "layers", "dropout", "learning_rate", "score", "loss")
    space = tuple(f"model.{name}" for name in names)
    values: dict[str, Value] = dict(zip(space, (1024, 128, 2, 0.105, 0.00012345, "location", "student-t"), strict=True))
    trials = tuple(Trial(number, "pruned", values, 0.98765, 1.0, "") for number in (1, 12))  # type: ignore[arg-type]
    text = shown(tuning_view(Tuning(space, trials, trials[0], Config()), "seqcast train"))
    for number in ("0.9877", "1024", "128", "0.105", "0.000123", "location", "student-t", "12"):
        assert number in text.split()


def test_why_a_trial_failed_is_told_as_data() -> None:
    text = shown(view(trial(1, 0.9), trial(2, None, "failed", "[red]it\x1b diverged"), best=1))
    assert "trial 2: [red]it\\x1b diverged" in text
    assert "No trial was better than what `seqcast train` does by itself." in text


def test_a_failed_first_trial_is_no_reference() -> None:
    lines = shown(view(trial(1, None, "failed", "why"), trial(2, 0.8), best=2)).splitlines()
    assert "Trial 2 is the best." in map(str.strip, lines)


def test_progress_is_told_in_short() -> None:
    assert values_text(VALUES) == "score general, learning rate 0.00512"
    assert trial_text(trial(1, 0.91234)) == "finished: error 0.9123"
    assert trial_text(trial(1, 0.5, "pruned")) == "pruned: error 0.5000"
    assert trial_text(trial(1, None, "failed", "it\x07 diverged")) == "failed: it\\x07 diverged"
