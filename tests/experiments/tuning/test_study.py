import json
import sys
from pathlib import Path

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from seqcast.errors import RunError
from seqcast.experiments.tuning import study as study_module
from seqcast.experiments.tuning.space import Value
from seqcast.experiments.tuning.study import STUDY_FILE, Study, Suggestion

SPACE: dict[str, BaseDistribution] = {
    "model.hidden": CategoricalDistribution((32, 64, 128)),
    "training.learning_rate": FloatDistribution(1e-3, 2e-2, log=True),
}
FIRST: dict[str, Value] = {"model.hidden": 64, "training.learning_rate": 5e-3}


def opened(folder: Path, identity: str = "work", seed: int = 3) -> Study:
    return Study(folder / STUDY_FILE, SPACE, identity, seed)


def error_of(suggestion: Suggestion) -> float:
    """A made error, least at 128 and 0.01."""
    hidden, rate = suggestion.values["model.hidden"], suggestion.values["training.learning_rate"]
    return 1 - hidden / 1000 + abs(rate - 0.01)


def suggested(study: Study) -> Suggestion:
    suggestion = study.suggest(FIRST)
    assert suggestion is not None
    return suggestion


def finish(study: Study, count: int) -> None:
    for _ in range(count):
        suggestion = suggested(study)
        suggestion.end("finished", 0.5, error=error_of(suggestion))


def test_a_study_begins_with_the_point_asked_for_and_finds_the_smallest_error(tmp_path: Path) -> None:
    study = opened(tmp_path)
    assert study.best() is None
    finish(study, 5)
    first, second = study.trials()[:2]
    assert (first.number, first.outcome, first.values) == (1, "finished", FIRST)
    assert second.values != FIRST
    best = study.best()
    assert best.error == min(trial.error or 9 for trial in study.trials())
    assert opened(tmp_path).trials() == study.trials()


def test_an_interrupted_search_goes_the_way_of_an_uninterrupted_one(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = opened(tmp_path / "whole")
    finish(whole, 9)
    for count in (1, 5, 3):
        part = opened(tmp_path / "parts")
        finish(part, count)
        suggested(part)  # and killed here
    assert [trial.values for trial in opened(tmp_path / "parts").trials()] == [trial.values for trial in whole.trials()]


def test_a_trial_killed_before_any_finished_begins_again_with_the_first_point(tmp_path: Path) -> None:
    suggested(opened(tmp_path))
    study = opened(tmp_path)
    assert study.trials() == ()
    assert suggested(study).values == FIRST


def test_another_seed_tries_other_points(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    finish(one := opened(tmp_path), 3)
    finish(other := opened(tmp_path / "other", seed=30), 3)
    assert one.trials()[1].values != other.trials()[1].values


def test_failed_and_pruned_trials_are_told_apart_from_lost_ones(tmp_path: Path) -> None:
    study = opened(tmp_path)
    suggested(study).end("failed", 1.5, reason="it diverged")
    late_failure = suggested(study)
    late_failure.is_hopeless(1, 0.7)
    late_failure.end("failed", 0.5, reason="it diverged later")
    pruned = suggested(study)
    pruned.is_hopeless(1, 0.9)
    pruned.is_hopeless(2, 0.8)
    pruned.end("pruned", 0.25)
    suggested(study)  # lost
    failed, failed_late, cut = opened(tmp_path).trials()
    assert (failed.outcome, failed.reason, failed.error, failed.seconds) == ("failed", "it diverged", None, 1.5)
    assert (failed_late.outcome, failed_late.error) == ("failed", 0.7)
    assert (cut.number, cut.outcome, cut.error, cut.seconds) == (3, "pruned", 0.8, 0.25)


def test_a_trial_far_above_the_others_is_hopeless_once_enough_were_seen(tmp_path: Path) -> None:
    study = opened(tmp_path)
    late = study_module.UNPRUNED_VALIDATIONS + 1
    for _ in range(study_module.UNPRUNED_TRIALS):
        suggestion = suggested(study)
        assert not any(suggestion.is_hopeless(validation, 0.5) for validation in range(1, late + 1))
        suggestion.end("finished", 0.1, error=0.5)
    suggestion = study.suggest(FIRST)
    assert not suggestion.is_hopeless(1, 5.0)
    assert suggestion.is_hopeless(late, 5.0)


def test_processes_that_share_a_study_try_different_points_and_number_them_as_they_end(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path)
    first, second = suggested(one), suggested(other)
    assert first.values == FIRST
    assert second.values != FIRST
    assert other.num_others == 1
    second.end("finished", 0.5, error=0.7)
    first.end("finished", 0.5, error=0.8)
    assert [trial.error for trial in opened(tmp_path).trials()] == [0.7, 0.8]
    assert [trial.number for trial in opened(tmp_path).trials()] == [1, 2]


def test_the_point_of_a_killed_process_goes_to_the_next_one_that_asks(tmp_path: Path) -> None:
    suggested(one := opened(tmp_path)).end("finished", 0.5, error=0.9)
    running, lost = suggested(one), suggested(opened(tmp_path))
    values = lost.values
    lost.leave()
    again, new = suggested(opened(tmp_path)), suggested(opened(tmp_path))
    assert again.values == values
    assert new.values not in (values, running.values)
    assert [each.is_taken_over for each in (running, again, new)] == [False, True, False]


def test_no_more_points_are_tried_than_asked_for(tmp_path: Path) -> None:
    study, other = opened(tmp_path), opened(tmp_path)
    first = study.suggest(FIRST, 2)
    second = other.suggest(FIRST, 2)
    assert first is not None
    assert second is not None
    assert opened(tmp_path).suggest(FIRST, 2) is None
    second.leave()
    assert opened(tmp_path).suggest(FIRST, 2) is not None


def test_the_errors_of_other_processes_decide_what_is_hopeless(tmp_path: Path) -> None:
    late = study_module.UNPRUNED_VALIDATIONS + 1
    suggestion = suggested(opened(tmp_path))
    other = opened(tmp_path)
    for _ in range(study_module.UNPRUNED_TRIALS):
        better = suggested(other)
        assert not better.is_hopeless(late, 0.5)
        better.end("finished", 0.1, error=0.5)
    assert suggestion.is_hopeless(late, 5.0)


@pytest.mark.parametrize("content", ['{"model.hidden": 33, "training.learning_rate": 0.01}', "[" * 2000, "{}", "7"])
def test_a_claim_that_the_search_would_not_make_is_not_tried(tmp_path: Path, content: str) -> None:
    study = opened(tmp_path)
    (tmp_path / ".running-1.json").write_text(content)
    assert suggested(study).values == FIRST


def test_a_point_whose_outcome_was_kept_before_the_kill_is_not_tried_again(tmp_path: Path) -> None:
    study = opened(tmp_path)
    suggested(study).end("finished", 0.5, error=0.9)
    (tmp_path / ".running-1.json").write_text(json.dumps(FIRST))
    assert suggested(study).values != FIRST


def test_a_claim_behind_a_link_is_let_be(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    study = opened(tmp_path)
    (tmp_path / ".running-1.json").write_text(json.dumps(FIRST))
    (tmp_path / ".running-1.lock").symlink_to("mine.txt")
    suggested(study).end("finished", 0.5, error=0.9)
    assert (tmp_path / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x80\x04\x95 pickle\n", "it does not hold trials as JSON lines"),
        (b"[" * 100_000 + b"\n", "it does not hold trials as JSON lines"),
        (b"", "it does not hold trials as JSON lines"),
        (b'"work"\n[{"number": 1}, {}]\n', "it does not hold trials as JSON lines"),
        (b'"work"\n7\n', "it does not hold trials as JSON lines"),
        (b"7\n", "other data, options or version"),
    ],
)
def test_a_file_that_is_no_study_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / STUDY_FILE).write_bytes(content)
    with pytest.raises(RunError, match=told):
        opened(tmp_path)


def test_a_link_or_an_enormous_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_module, "LARGEST_STUDY", 100)
    (tmp_path / "mine.txt").write_text("x" * 101)
    (tmp_path / STUDY_FILE).symlink_to("mine.txt")
    with pytest.raises(RunError, match="is a symbolic link, not a plain file"):
        opened(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "x" * 101
    (tmp_path / STUDY_FILE).unlink()
    (tmp_path / "mine.txt").rename(tmp_path / STUDY_FILE)
    with pytest.raises(RunError, match="is too large: 101 bytes"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"model.hidden": 64', '"model.hidden": 33'),
        ('"model.hidden": 64', '"data.test_size": 0'),
        ('"training.learning_rate": 0.005', '"training.learning_rate": 1.0'),
        (', "training.learning_rate": 0.005', ""),
    ],
)
@pytest.mark.parametrize("outcome", ["finished", "failed"])
def test_points_that_the_search_would_not_try_are_refused(
    tmp_path: Path, before: str, after: str, outcome: study_module.Outcome
) -> None:
    suggested(opened(tmp_path)).end(outcome, 0.5, error=0.9)
    file = tmp_path / STUDY_FILE
    changed = file.read_text().replace(before, after)
    assert changed != file.read_text()
    file.write_text(changed)
    with pytest.raises(RunError, match="damaged: a trial lies outside the search space"):
        opened(tmp_path)


def test_no_pickle_is_ever_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(opened(tmp_path), 2)

    def never(*_: object) -> None:
        raise AssertionError("a pickle was opened")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(sys.modules["pickle"], name, never)
    study = opened(tmp_path)
    finish(study, 1)
    assert len(list(map(json.loads, (tmp_path / STUDY_FILE).read_text().splitlines()))) == 4
