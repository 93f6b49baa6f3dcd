import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seqcast.config import Config
from seqcast.errors import DivergedError, RunError, SeqcastError, StoppedError
from seqcast.experiments.tuning import search as search_module
from seqcast.experiments.tuning.search import Budget, Search, SearchHooks, tune
from seqcast.experiments.tuning.study import STUDY_FILE, Trial
from seqcast.panel.panel import Panel
from seqcast.reading.tabular import read_table
from seqcast.run.configuration_file import read_config
from seqcast.run.record import CONFIG_FILE
from seqcast.run.source import Source
from seqcast.training.fit import fit, train_model
from seqcast.training.loop import Hooks, Progress
from tests.panels import CPU, make_panel, small_config, small_setup, wave_panel
from tests.running import write_hourly

FIXED = frozenset({"model.context", "model.hidden", "model.layers", "model.score"})


def search_of(folder: Path, panel: Panel | None = None, config: Config | None = None) -> Search:
    """A search over dropout, rate and loss on a small panel."""
    folder.mkdir(exist_ok=True)
    table = read_table(str(write_hourly(folder / "data.csv", 40)))
    return Search(Source(panel or wave_panel(), table, None, ()), config or small_config(), CPU, FIXED)


@dataclass(frozen=True)
class Result:
    """The errors of a scripted training."""

    relative_mae: float | None
    validation_loss: float = 0.5


@dataclass(frozen=True)
class Fitted:
    result: Result


def script(monkeypatch: pytest.MonkeyPatch, outcomes: list[Any]) -> None:
    """Make trials end like this, one after the other: with a relative error or an exception."""
    left = iter(outcomes)

    def scripted(*_: object) -> Fitted:
        outcome = next(left)
        if isinstance(outcome, BaseException):
            raise outcome
        return Fitted(outcome if isinstance(outcome, Result) else Result(outcome))

    monkeypatch.setattr(search_module, "train_model", scripted)


def test_the_first_trial_is_what_training_does_by_itself(tmp_path: Path) -> None:
    search = search_of(tmp_path / "data")
    found = tune(search, tmp_path / "study", Budget(1))
    expected = fit(small_setup(wave_panel(), small_config())).result.relative_mae
    assert found.first.error == expected
    assert found.config == search.plan().config


def test_training_with_the_best_settings_gives_the_error_of_its_trial(tmp_path: Path) -> None:
    found = tune(search_of(tmp_path / "data"), tmp_path / "study", Budget(4))
    config = read_config(tmp_path / "study" / CONFIG_FILE)
    assert config == found.config
    assert config.model.dropout == found.best.values["model.dropout"]
    assert config.model.context is not None
    assert config.training.max_steps is not None
    assert fit(small_setup(wave_panel(), config)).result.relative_mae == found.best.error


def test_no_trial_sees_the_test_part(tmp_path: Path) -> None:
    config = small_config(data={"validation_size": 7, "test_size": 9})
    changed = wave_panel()
    for end in changed.offsets[1:]:
        changed.target[end - 9 : end] = 1e6
    plain = tune(search_of(tmp_path / "a", config=config), tmp_path / "one", Budget(2))
    other = tune(search_of(tmp_path / "a", changed, config), tmp_path / "other", Budget(2))
    assert [trial.error for trial in plain.trials] == [trial.error for trial in other.trials]


def test_the_best_is_written_as_soon_as_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [0.9, 0.7, 0.8, StoppedError(signal.SIGINT, "")])
    written: list[float] = []

    def look(_trial: Trial) -> None:
        config = tmp_path / "study" / CONFIG_FILE
        written.append(read_config(config).training.learning_rate if config.exists() else 0.0)

    search = search_of(tmp_path / "data")
    with pytest.raises(StoppedError):
        tune(search, tmp_path / "study", Budget(9), SearchHooks(on_end=look))
    script(monkeypatch, [])
    found = tune(search, tmp_path / "study", Budget(3))
    rates = [float(trial.values["training.learning_rate"]) for trial in found.trials]
    assert found.best.number == 2
    assert written == [0.0, rates[0], rates[1]]
    assert read_config(tmp_path / "study" / CONFIG_FILE).training.learning_rate == rates[1]


def test_trials_are_those_of_the_whole_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [0.9, 0.8, 0.7])
    search = search_of(tmp_path / "data")
    assert len(tune(search, tmp_path / "study", Budget(2)).trials) == 2
    assert [trial.error for trial in tune(search, tmp_path / "study", Budget(3)).trials] == [0.9, 0.8, 0.7]


def test_a_trial_that_fails_is_a_row_and_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [0.9, DivergedError("the loss is not finite."), 0.8])
    found = tune(search_of(tmp_path / "data"), tmp_path / "study", Budget(3))
    assert [trial.outcome for trial in found.trials] == ["finished", "failed", "finished"]
    assert found.trials[1].reason == "the loss is not finite."
    assert found.best.number == 3


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(99.0, "the loss is not finite."), (0.0, "there was no time for one.")],
    ids=["failed", "late"],
)
def test_a_search_without_a_finished_trial_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, reason: str
) -> None:
    script(monkeypatch, [DivergedError("the loss is not finite.")] * 2)
    with pytest.raises(SeqcastError, match=rf"no trial finished: {reason} Give more --time"):
        tune(search_of(tmp_path / "data"), tmp_path / "study", Budget(2, seconds))
    assert not (tmp_path / "study" / CONFIG_FILE).exists()


def test_where_the_seasonal_naive_never_errs_the_loss_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [Result(None, 0.4), Result(None, 0.3)])
    found = tune(search_of(tmp_path / "data"), tmp_path / "study", Budget(2))
    assert [trial.error for trial in found.trials] == [0.4, 0.3]


def test_a_signal_keeps_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [0.9, StoppedError(signal.SIGTERM, "anything")])
    search = search_of(tmp_path / "data")
    with pytest.raises(StoppedError, match=r"SIGTERM\. Finished trials are kept; the same command goes on") as stop:
        tune(search, tmp_path / "study", Budget(9))
    assert stop.value.exit_code == 143
    script(monkeypatch, [])
    assert [trial.error for trial in tune(search, tmp_path / "study", Budget(1)).trials] == [0.9]


def test_time_ends_a_search_within_a_trial_but_never_within_its_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(search_module.time, "monotonic", lambda: now[0])

    def pass_time(_progress: Progress) -> None:
        now[0] += 1

    hooks = SearchHooks(training=Hooks(on_progress=pass_time))
    config = small_config(training={"max_steps": 6, "validate_every": 2})
    search = search_of(tmp_path / "data", config=config)
    assert len(tune(search, tmp_path / "one", Budget(9, seconds=3), hooks).trials) == 1
    assert len(tune(search, tmp_path / "two", Budget(9, seconds=15), hooks).trials) == 2


def test_a_hopeless_trial_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [0.5])
    search = search_of(tmp_path / "data")
    tune(search, tmp_path / "study", Budget(1))
    monkeypatch.setattr(search_module, "train_model", train_model)
    monkeypatch.setattr("seqcast.experiments.tuning.study.Suggestion.is_hopeless", lambda *_: True)
    told: list[Trial] = []
    found = tune(search, tmp_path / "study", Budget(2), SearchHooks(on_end=told.append))
    assert [trial.outcome for trial in found.trials] == ["finished", "pruned"]
    assert told[0].seconds > 0


def test_progress_is_told(tmp_path: Path) -> None:
    begun: list[int] = []
    ended: list[Trial] = []
    steps: list[Progress] = []
    hooks = SearchHooks(lambda begin: begun.append(begin.number), ended.append, Hooks(on_progress=steps.append))
    found = tune(search_of(tmp_path / "data"), tmp_path / "study", Budget(2), hooks)
    assert begun == [1, 2]
    assert tuple(ended) == found.trials
    assert steps


def test_trials_train_one_network_once_and_leave_the_rest_to_training(tmp_path: Path) -> None:
    steps: list[Progress] = []
    config = small_config(training={"ensemble": 3, "refit": True, "patience": 99})
    hooks = SearchHooks(training=Hooks(on_progress=steps.append))
    found = tune(search_of(tmp_path / "data", config=config), tmp_path / "study", Budget(1), hooks)
    assert len(steps) == config.training.max_steps
    assert (found.config.training.ensemble, found.config.training.refit) == (3, True)


def test_other_data_or_options_are_another_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [0.9] * 9)
    search = search_of(tmp_path / "data")
    tune(search, tmp_path / "study", Budget(1))
    other_options = Search(search.source, small_config(training={"patience": 3}), CPU, FIXED)
    other_space = Search(search.source, search.base, CPU, frozenset())
    for other in (other_options, other_space):
        with pytest.raises(RunError, match="holds a study with other data, options or version"):
            tune(other, tmp_path / "study", Budget(1))
    other_device = Search(search.source, search.base.override(training={"device": "auto"}), CPU, FIXED)
    assert len(tune(other_device, tmp_path / "study", Budget(1)).trials) == 1


def test_a_directory_that_cannot_hold_a_study_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    search = search_of(tmp_path / "data")
    with pytest.raises(RunError, match="mine: it is not empty and holds no study"):
        tune(search, tmp_path / "mine", Budget(1))
    with pytest.raises(RunError, match=r"thesis\.tex/study: cannot be made"):
        tune(search, tmp_path / "mine" / "thesis.tex" / "study", Budget(1))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_a_kill_before_the_study_was_begun_leaves_a_directory_to_begin_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, [0.9])
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / ".lock").write_text("")
    assert tune(search_of(tmp_path / "data"), tmp_path / "study", Budget(1)).best.error == 0.9
    assert (tmp_path / "study" / STUDY_FILE).exists()


def test_a_panel_that_cannot_be_trained_on_is_refused_before_a_study_is_made(tmp_path: Path) -> None:
    search = search_of(tmp_path / "data", make_panel([wave_panel().target[:9]]))
    with pytest.raises(SeqcastError, match="the longest series has 9 steps"):
        tune(search, tmp_path / "study", Budget(1))
    assert not (tmp_path / "study").exists()
