"""A study that survives its process: Optuna suggests the trials, and a file of JSON lines keeps those that ended.

This module imports Optuna, so it is imported only when a search begins. A file from a stranger is read as bounded
data, and points outside the search space are refused.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial
from pydantic import TypeAdapter

from seqcast.errors import RunError, option
from seqcast.experiments.tuning.space import Value
from seqcast.run.untrusted.bounded_json import parse_json
from seqcast.storage import read_regular_file, write_atomically

STUDY_FILE = "study.jsonl"
LARGEST_STUDY = 64 * 2**20
MOST_MARKS = 100_000
"""Largest number of [, { and : outside of strings in one line."""
RANDOM_TRIALS = 6
"""Number of first trials drawn at random."""
UNPRUNED_TRIALS = 4
"""Number of first trials that are never pruned."""
UNPRUNED_VALIDATIONS = 8
"""Number of validations before a trial can be pruned. The learning rate is still high then, so an error says little."""

Outcome = Literal["finished", "pruned", "failed"]
_STATES = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


@dataclass(frozen=True)
class Trial:
    """A point of the space that was tried, and its outcome."""

    number: int
    """Position in the search, from 1."""
    outcome: Outcome
    values: dict[str, Value]
    error: float | None
    """Validation error divided by that of the seasonal naive forecast; for a pruned trial, the newest one."""
    seconds: float
    reason: str = ""
    """Reason of a failure."""


Kept = tuple[Trial, dict[int, float]]
"""A trial as the file keeps it, with its error at each validation, numbered from 1."""
_KEPT = TypeAdapter(Kept)


class Study:
    """Suggests points of the space and remembers their outcomes.

    A suggestion depends only on the seed and the trials that ended, so an interrupted search continues as if it had not
    been interrupted.
    """

    def __init__(self, path: Path, space: dict[str, BaseDistribution], identity: str, seed: int) -> None:
        """Open or begin a study. A trial that was running when its process ended is lost.

        Raises:
            RunError: The file holds a study of other data or options, or is damaged.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.path, self.space, self.identity, self.seed = path, space, identity, seed
        self.kept: list[Kept] = []
        if os.path.lexists(path):
            self._read()
        else:
            self._write()

    def _read(self) -> None:
        hint = f"Give another {option('run')}, or remove it."
        lines = read_regular_file(self.path, LARGEST_STUDY).splitlines()
        try:
            identity, *values = [parse_json(line, MOST_MARKS) for line in lines]
            self.kept = [_KEPT.validate_python(value) for value in values]
        except ValueError:
            raise RunError(f"{self.path}: damaged: it does not hold trials as JSON lines.", hint=hint) from None
        if identity != self.identity:
            raise RunError(f"{self.path}: holds a study with other data, options or version.", hint=hint)
        try:
            self._in_memory()
        except ValueError:
            raise RunError(f"{self.path}: damaged: a trial lies outside the search space.", hint=hint) from None

    def _write(self) -> None:
        values = [self.identity, *((asdict(trial), errors) for trial, errors in self.kept)]
        write_atomically(self.path, "".join(json.dumps(value) + "\n" for value in values).encode())

    def _in_memory(self) -> optuna.Study:
        """The study so far as Optuna knows it, which refuses a trial outside the search space with a ValueError."""
        sampler = TPESampler(n_startup_trials=RANDOM_TRIALS, seed=self.seed + len(self.kept))
        study = optuna.create_study(sampler=sampler, pruner=MedianPruner(UNPRUNED_TRIALS, UNPRUNED_VALIDATIONS))
        for trial, errors in self.kept:
            state, error = _STATES[trial.outcome], None if trial.outcome == "failed" else trial.error
            values = dict(trial.values)
            study.add_trial(
                create_trial(
                    state=state, value=error, params=values, distributions=self.space, intermediate_values=errors
                )
            )
        return study

    def trials(self) -> tuple[Trial, ...]:
        """Every trial with an outcome, in order."""
        return tuple(trial for trial, _ in self.kept)

    def best(self) -> Trial | None:
        """The finished trial with the smallest error; the earliest if several have it."""
        finished = [trial for trial in self.trials() if trial.outcome == "finished" and trial.error is not None]
        return min(finished, key=lambda trial: trial.error or 0.0, default=None)

    def suggest(self, first: dict[str, Value]) -> "Suggestion":
        """The next point to try; `first` if no trial has an outcome yet."""
        study = self._in_memory()
        if not self.kept:
            study.enqueue_trial(dict(first))
        return Suggestion(self, study.ask(self.space))

    def keep(self, trial: Trial, errors: dict[int, float]) -> None:
        """Add a trial that ended, with its error at each validation."""
        self.kept.append((trial, errors))
        self._write()


@dataclass(frozen=True)
class Suggestion:
    """A point to try. Report its outcome here; without one, it counts as never suggested."""

    study: Study
    trial: optuna.Trial
    errors: dict[int, float] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Value]:
        return self.trial.params

    def is_hopeless(self, validation: int, error: float) -> bool:
        """Whether the error at this validation is above the median of other trials at the same one."""
        self.errors[validation] = error
        self.trial.report(error, validation)
        return self.trial.should_prune()

    def end(self, outcome: Outcome, seconds: float, *, error: float | None = None, reason: str = "") -> None:
        """Keep the trial; without an error of its own it has that of its last validation, if there is one."""
        if error is None and self.errors:
            error = self.errors[max(self.errors)]
        number = len(self.study.kept) + 1
        self.study.keep(Trial(number, outcome, self.values, error, round(seconds, 3), reason), self.errors)
