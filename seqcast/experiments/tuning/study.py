"""A study that several processes share: Optuna suggests the trials, and a file of JSON lines keeps those that ended.

A trial whose process was killed goes back to the queue, and pruning compares with the trials of all processes.

This module imports Optuna, so it is imported only when a search begins. A file from a stranger is read as bounded
data, and points outside the search space are refused.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
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
from seqcast.experiments.tuning.claims import Claim, find_claims, make_claim
from seqcast.experiments.tuning.space import Value
from seqcast.run.untrusted.bounded_json import parse_json
from seqcast.storage import lock_directory, read_regular_file, write_atomically

STUDY_FILE = "study.jsonl"
LARGEST_STUDY = 64 * 2**20
MOST_MARKS = 100_000
"""Largest number of [, { and : outside of strings in one line."""
WAIT_FOR_LOCK = 60.0
"""Seconds to wait for other processes that read or write the study."""
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


def kept_trials(path: Path) -> tuple[Trial, ...]:
    """The trials that ended so far, of a file that other processes write; none where there is no file yet."""
    if not path.exists():
        return ()
    lines = read_regular_file(path, LARGEST_STUDY).splitlines()[1:]
    return tuple(_KEPT.validate_python(parse_json(line, MOST_MARKS))[0] for line in lines)


class Study:
    """Suggests points of the space and remembers their outcomes.

    A suggestion depends only on the seed, the trials that ended, and those that other processes are trying; so an
    interrupted search of one process continues as if it had not been interrupted.
    """

    def __init__(self, path: Path, space: dict[str, BaseDistribution], identity: str, seed: int) -> None:
        """Open or begin a study.

        Raises:
            RunError: The file holds a study of other data or options, or is damaged.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.path, self.space, self.identity, self.seed = path, space, identity, seed
        self.kept: list[Kept] = []
        self.num_others = 0
        """Number of points that other processes were trying when one was suggested last."""
        with self.locked():
            if os.path.lexists(path):
                self.read_again()
            else:
                self._write()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the directory, which every process holds only while it reads and writes.

        Raises:
            RunError: Another process has held it for a minute.
        """
        with lock_directory(self.path.parent, WAIT_FOR_LOCK):
            yield

    def read_again(self) -> None:
        """Read the trials that all processes have kept, with the lock held.

        Raises:
            RunError: The file holds a study of other data or options, or is damaged.
        """
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
            self._in_memory([])
        except ValueError:
            raise RunError(f"{self.path}: damaged: a trial lies outside the search space.", hint=hint) from None

    def _write(self) -> None:
        values = [self.identity, *((asdict(trial), errors) for trial, errors in self.kept)]
        write_atomically(self.path, "".join(json.dumps(value) + "\n" for value in values).encode())

    def _in_memory(self, others: list[dict[str, Value]]) -> optuna.Study:
        """The study so far as Optuna knows it, with the points that other processes are trying.

        Optuna refuses a trial outside the search space with a ValueError.
        """
        seed = self.seed + len(self.kept) + len(others)
        sampler = TPESampler(n_startup_trials=RANDOM_TRIALS, seed=seed, constant_liar=bool(others))
        study = optuna.create_study(sampler=sampler, pruner=MedianPruner(UNPRUNED_TRIALS, UNPRUNED_VALIDATIONS))
        for trial, errors in self.kept:
            state, error = _STATES[trial.outcome], None if trial.outcome == "failed" else trial.error
            values = dict(trial.values)
            study.add_trial(
                create_trial(
                    state=state, value=error, params=values, distributions=self.space, intermediate_values=errors
                )
            )
        for values in others:
            study.add_trial(create_trial(state=TrialState.RUNNING, params=dict(values), distributions=self.space))
        return study

    def trials(self) -> tuple[Trial, ...]:
        """Every trial with an outcome, in order."""
        return tuple(trial for trial, _ in self.kept)

    def best(self) -> Trial | None:
        """The finished trial with the smallest error; the earliest if several have it."""
        finished = [trial for trial in self.trials() if trial.outcome == "finished" and trial.error is not None]
        return min(finished, key=lambda trial: trial.error or 0.0, default=None)

    def suggest(self, first: dict[str, Value], most_trials: int | None = None) -> "Suggestion | None":
        """The next point to try: one whose process has ended, or a new one; `first` if none has been tried or is.

        Returns None if `most_trials` have an outcome or are being tried by other processes.
        """
        with self.locked():
            self.read_again()
            left, others = find_claims(self.path.parent)
            others = [values for values in others if self._is_inside(values)]
            self.num_others = len(others)
            if left is not None and not self._is_open(left.values):
                left.end()
                left = None
            if most_trials is not None and len(self.kept) + len(others) >= most_trials:
                if left is not None:
                    left.leave()
                return None
            number, claim = len(self.kept) + len(others) + 1, left
            if claim is None:
                study = self._in_memory(others)
                if not self.kept and not others:
                    study.enqueue_trial(dict(first))
                claim = make_claim(self.path.parent, study.ask(self.space).params)
            return Suggestion(self, claim, number, is_taken_over=left is not None)

    def _is_open(self, values: dict[str, Value]) -> bool:
        """Whether a point of the space has no outcome yet; a process may be killed right after it kept one."""
        return self._is_inside(values) and all(trial.values != values for trial in self.trials())

    def _is_inside(self, values: dict[str, Value]) -> bool:
        """Whether the search could have suggested a point."""
        try:
            create_trial(state=TrialState.RUNNING, params=dict(values), distributions=self.space)
        except ValueError:
            return False
        return True

    def should_prune(self, values: dict[str, Value], errors: dict[int, float]) -> bool:
        """Whether the errors of a trial at its validations are above the median of the trials of all processes."""
        with self.locked():
            self.read_again()
        study = self._in_memory([])
        study.enqueue_trial(dict(values))
        trial = study.ask(self.space)
        for validation, error in errors.items():
            trial.report(error, validation)
        return bool(trial.should_prune())

    def keep(self, claim: Claim, outcome: Outcome, errors: dict[int, float], told: "Told") -> Trial:
        """Add a trial that ended, with its error at each validation, and give its point up."""
        with self.locked():
            self.read_again()
            number = len(self.kept) + 1
            trial = Trial(number, outcome, claim.values, told.error, round(told.seconds, 3), told.reason)
            self.kept.append((trial, errors))
            self._write()
            claim.end()
            return trial


@dataclass(frozen=True)
class Told:
    """The outcome of a trial in numbers and words."""

    seconds: float
    error: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Suggestion:
    """A point to try. Report its outcome here; without one, it is left to whoever continues the study."""

    study: Study
    claim: Claim
    number: int
    """Number of trials that have an outcome or are being tried, this one included."""
    is_taken_over: bool = False
    """Whether a process that has ended left it without an outcome."""
    errors: dict[int, float] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Value]:
        return self.claim.values

    def is_hopeless(self, validation: int, error: float) -> bool:
        """Whether the error at this validation is above the median of other trials at the same one."""
        self.errors[validation] = error
        return self.study.should_prune(self.values, self.errors)

    def end(self, outcome: Outcome, seconds: float, *, error: float | None = None, reason: str = "") -> Trial:
        """Keep the trial; without an error of its own it has that of its last validation, if there is one."""
        if error is None and self.errors:
            error = self.errors[max(self.errors)]
        return self.study.keep(self.claim, outcome, self.errors, Told(seconds, error, reason))

    def leave(self) -> None:
        """Stop trying; the point is suggested again to whoever comes next."""
        self.claim.leave()
