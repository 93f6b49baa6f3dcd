"""A study that survives its process: Optuna suggests the trials, and one file of JSON lines keeps them.

This module imports Optuna, so it is imported only when a search begins. A file from a stranger is read as bounded
data, and points outside the search space are refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from seqcast.errors import RunError, option
from seqcast.experiments.tuning.space import Categorical, Dimension, Value, allows
from seqcast.storage import read_regular_file, write_atomically

STUDY_FILE = "study.jsonl"
LARGEST_STUDY = 64 * 2**20
RANDOM_TRIALS = 6
"""Number of first trials drawn at random."""
UNPRUNED_TRIALS = 4
"""Number of first trials that are never pruned."""
UNPRUNED_VALIDATIONS = 8
"""Number of validations before a trial can be pruned. The learning rate is still high then, so an error says little."""
_NAME = "seqcast"
_IDENTITY, _SECONDS, _REASON = "identity", "seconds", "reason"


@dataclass(frozen=True)
class Trial:
    """A point of the space that was tried, and its outcome."""

    number: int
    """Position in the search, from 1."""
    outcome: Literal["finished", "pruned", "failed"]
    values: dict[str, Value]
    error: float | None
    """Validation error divided by that of the seasonal naive forecast; for a pruned trial, the newest one."""
    seconds: float
    reason: str = ""
    """Reason of a failure."""


class StudyLog(BaseJournalBackend):
    """The file of a study. The lock of its directory keeps other writers out."""

    def __init__(self, path: Path) -> None:
        """Read the file and remove a last line that a kill left incomplete.

        Raises:
            RunError: The file is not a plain file, is too large, or is not JSON lines.
        """
        self.path = path
        data = read_regular_file(path, LARGEST_STUDY) if path.exists() or path.is_symlink() else b""
        complete = data[: data.rfind(b"\n") + 1]
        if complete != data or not data:
            write_atomically(path, complete)
        try:
            self.entries: list[dict[str, Any]] = [json.loads(line) for line in complete.splitlines()]
        except (ValueError, RecursionError):
            raise RunError(f"{path}: damaged: it is not JSON lines.", hint=f"Give another {option('run')}.") from None

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return self.entries[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(entry) + "\n" for entry in logs)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        with open(descriptor, "ab") as file:  # noqa: PTH123  # a Path cannot open a descriptor
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
        self.entries += json.loads(json.dumps(logs))


class Study:
    """Suggests points of the space and remembers their outcomes.

    A suggestion depends only on the seed and the finished trials, so an interrupted search continues as if it had not
    been interrupted.
    """

    def __init__(self, path: Path, space: tuple[Dimension, ...], identity: str, seed: int) -> None:
        """Open or begin a study. A trial that was running when its process ended is lost.

        Raises:
            RunError: The file holds a study of other data or options, or is damaged.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space, self.seed = space, seed
        try:
            storage = JournalStorage(StudyLog(path))
            pruner = MedianPruner(UNPRUNED_TRIALS, UNPRUNED_VALIDATIONS)
            self.study = optuna.create_study(
                storage=storage, study_name=_NAME, load_if_exists=True, direction="minimize", pruner=pruner
            )
            known = self.study.user_attrs.get(_IDENTITY, identity)
            frozen = self.study.get_trials()
        except RunError:
            raise
        except Exception as error:  # noqa: BLE001  # a forged file can make Optuna raise anything
            raise _damaged(path, type(error).__name__) from None
        if known != identity:
            raise RunError(
                f"{path}: holds a study with other data, options or version.",
                hint=f"Give another {option('run')}, or remove it.",
            )
        if not all(allows(space, trial.params) for trial in frozen if _outcome(trial) is not None):
            raise _damaged(path, "a trial lies outside the search space")
        self.study.set_user_attr(_IDENTITY, identity)
        for trial in frozen:
            if trial.state == TrialState.RUNNING:
                self.study.tell(trial.number, state=TrialState.FAIL)

    def trials(self) -> tuple[Trial, ...]:
        """Every trial with an outcome, in order."""
        found = [(trial, _outcome(trial)) for trial in self.study.get_trials(deepcopy=False)]
        ended = [(trial, outcome) for trial, outcome in found if outcome is not None]
        return tuple(
            Trial(
                number=number,
                outcome=outcome,
                values=trial.params,
                error=_error(trial),
                seconds=float(trial.user_attrs.get(_SECONDS, 0.0)),
                reason=str(trial.user_attrs.get(_REASON, "")),
            )
            for number, (trial, outcome) in enumerate(ended, 1)
        )

    def best(self) -> Trial | None:
        """The finished trial with the smallest error; the earliest if several have it."""
        finished = [trial for trial in self.trials() if trial.outcome == "finished" and trial.error is not None]
        return min(finished, key=lambda trial: trial.error or 0.0, default=None)

    def suggest(self, first: dict[str, Value]) -> Suggestion:
        """The next point to try; `first` if no trial has an outcome yet."""
        number_ended = len(self.trials())
        waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if not number_ended and not waiting:
            self.study.enqueue_trial(dict(first))
        self.study.sampler = TPESampler(n_startup_trials=RANDOM_TRIALS, seed=self.seed + number_ended)
        trial = self.study.ask()
        values: dict[str, Value] = {each.key: _suggested(trial, each) for each in self.space}
        return Suggestion(self.study, trial, values)


@dataclass(frozen=True)
class Suggestion:
    """A point to try. Report its outcome here; without one, it counts as never suggested."""

    study: optuna.Study
    trial: optuna.Trial
    values: dict[str, Value]

    def is_hopeless(self, validation: int, error: float) -> bool:
        """Whether the error at this validation is above the median of other trials at the same one."""
        self.trial.report(error, validation)
        return self.trial.should_prune()

    def finish(self, error: float, seconds: float) -> None:
        self._end(seconds)
        self.study.tell(self.trial, error)

    def prune(self, seconds: float) -> None:
        self._end(seconds)
        self.study.tell(self.trial, state=TrialState.PRUNED)

    def fail(self, reason: str, seconds: float) -> None:
        self.trial.set_user_attr(_REASON, reason)
        self._end(seconds)
        self.study.tell(self.trial, state=TrialState.FAIL)

    def forget(self) -> None:
        """End it without an outcome."""
        self.study.tell(self.trial, state=TrialState.FAIL)

    def _end(self, seconds: float) -> None:
        self.trial.set_user_attr(_SECONDS, round(seconds, 3))


def _suggested(trial: optuna.Trial, dimension: Dimension) -> Value:
    if isinstance(dimension, Categorical):
        value = trial.suggest_categorical(dimension.key, dimension.values)
        assert value is not None
        return value
    return trial.suggest_float(dimension.key, dimension.low, dimension.high, log=True)


def _outcome(trial: FrozenTrial) -> Literal["finished", "pruned", "failed"] | None:
    """The outcome, or None for a trial that is lost, running or waiting."""
    if trial.state == TrialState.FAIL:
        return "failed" if _REASON in trial.user_attrs else None
    return {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned"}.get(trial.state)  # type: ignore[return-value]


def _error(trial: FrozenTrial) -> float | None:
    if trial.state == TrialState.COMPLETE:
        return trial.value
    reported = trial.intermediate_values
    return reported[max(reported)] if reported else None


def _damaged(path: Path, what: str) -> RunError:
    return RunError(f"{path}: damaged: {what}.", hint=f"Give another {option('run')}, or remove it.")
