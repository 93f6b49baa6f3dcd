"""A search for the settings that forecast the validation part best. It never sees the test part."""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from optuna.distributions import BaseDistribution

from seqcast.config import Config
from seqcast.engines.engine import Engine
from seqcast.engines.worker import asked_to_stop
from seqcast.errors import RunError, SeqcastError, StoppedError, option
from seqcast.experiments.tuning.space import Value, first_values, search_space, with_values
from seqcast.experiments.tuning.study import STUDY_FILE, Study, Suggestion, Trial
from seqcast.run.directory import make_directory
from seqcast.run.record import CONFIG_FILE
from seqcast.run.source import Source, resolve_roles
from seqcast.runtime import Runtime
from seqcast.storage import LOCK_NAME, write_atomically
from seqcast.training.fit import train_model
from seqcast.training.loop import Hooks, Progress
from seqcast.training.plan import Plan, make_plan

_WAIT_SECONDS = 0.5
"""Time between two looks at the trials of other processes."""
_STOP_HINT = "Finished trials are kept; the same command goes on from there."


@dataclass(frozen=True)
class Search:
    """The data, the settings to start from, and the settings that stay as they are."""

    source: Source
    base: Config
    """Settings to start from; automatic ones are chosen again for every trial."""
    runtime: Runtime
    fixed: frozenset[str] = frozenset()
    """Settings that are not searched, as `section.name`."""

    def plan(self, values: dict[str, Value] | None = None) -> Plan:
        """The plan of training with these values.

        Raises:
            DataError, UsageError: As `training.plan.make_plan`.
        """
        panel = self.source.panel
        return make_plan(panel, resolve_roles(with_values(self.base, values or {}), panel))


@dataclass(frozen=True)
class Budget:
    """The limits of a search; it ends at the first one it reaches."""

    num_trials: int
    """Number of trials in the whole study, including those of earlier processes."""
    seconds: float = math.inf
    """Time for this process. The first trial of a study may take longer."""


@dataclass(frozen=True)
class SearchHooks:
    """Calls that report the progress of a search; by default they do nothing."""

    on_begin: Callable[[Suggestion], None] = lambda _suggestion: None
    on_end: Callable[[Trial], None] = lambda _trial: None
    training: Hooks = Hooks()


@dataclass(frozen=True)
class Tuning:
    """The findings of a study so far."""

    space: tuple[str, ...]
    """The settings that were searched, as `section.name`."""
    trials: tuple[Trial, ...]
    best: Trial
    config: Config
    """Configuration of the best trial, without automatic values."""

    @property
    def first(self) -> Trial:
        """The trial with the settings that training chooses by itself."""
        return self.trials[0]


class _HopelessError(Exception):
    """The trial is worse than others at the same stage."""


class _OutOfTimeError(Exception):
    """The budget ended within a trial."""


def tune(search: Search, directory: Path, budget: Budget, hooks: SearchHooks = SearchHooks()) -> Tuning:
    """Try settings until the budget is spent, and keep the best ones in `config.toml`.

    The study lives in the directory and continues there after an interruption. Several processes may search it
    together.

    Raises:
        RunError: The directory holds another study, or cannot be written.
        StoppedError: A signal stopped it; finished trials are kept.
        SeqcastError: Every trial failed.
    """
    plan = search.plan()
    space = search_space(plan, search.fixed)
    _make(directory)
    study = Study(directory / STUDY_FILE, space, _identity(search, space), plan.config.training.seed)
    first, deadline = first_values(space, plan.config), time.monotonic() + budget.seconds
    while (suggestion := _next_point(study, first, budget.num_trials, deadline, hooks)) is not None:
        hooks.on_begin(suggestion)
        trial = _try(search, suggestion, deadline if study.trials() else math.inf, hooks.training)
        if trial is None:
            break
        hooks.on_end(trial)
        _write_best(search, study, directory)
    _write_best(search, study, directory)  # an earlier process may have been killed before it could
    trials, best = study.trials(), study.best()
    if best is None:
        reason = trials[-1].reason if trials else "there was no time for one."
        hint = f"Give more {option('time')} or {option('trials')}, or other options."
        raise SeqcastError(f"no trial finished: {reason}", hint=hint)
    return Tuning(tuple(space), trials, best, search.plan(best.values).config)


@dataclass(frozen=True)
class SharedSearch:
    """A search that several workers of an engine share, as processes do that are started on one directory."""

    search: Search
    directory: Path
    budget: Budget

    def __call__(self, _worker: int) -> None:
        """Try settings until the budget is spent, or until the command is asked to stop."""
        tune(self.search, self.directory, self.budget, SearchHooks(training=Hooks(stop_signal=asked_to_stop)))

    def run(self, engine: Engine, stop_signal: Callable[[], int | None]) -> Tuning:
        """Let every worker search, and return the findings of all; raises as `tune`."""
        for _ in engine.map_long(self, range(engine.num_workers), stop_signal, lambda worker: f"worker {worker + 1}"):
            pass
        return tune(self.search, self.directory, replace(self.budget, seconds=0.0))


def _next_point(
    study: Study, first: dict[str, Value], num_trials: int, deadline: float, hooks: SearchHooks
) -> Suggestion | None:
    """The next point to try, None at the end of the search.

    While other processes try the last points it waits, as one of them may be killed.
    """
    while time.monotonic() < deadline:
        suggestion = study.suggest(first, num_trials)
        if suggestion is not None or not study.num_others or len(study.trials()) >= num_trials:
            return suggestion
        number = hooks.training.stop_signal()
        if number is not None:
            raise StoppedError(number, _STOP_HINT)
        time.sleep(_WAIT_SECONDS)
    return None


def _try(search: Search, suggestion: Suggestion, deadline: float, hooks: Hooks) -> Trial | None:
    """Train one point and record its outcome; None if time ran out."""
    started = time.monotonic()
    try:
        error = _validation_error(search, suggestion, deadline, hooks)
    except _HopelessError:
        return suggestion.end("pruned", time.monotonic() - started)
    except _OutOfTimeError:
        suggestion.leave()
        return None
    except StoppedError as stop:
        suggestion.leave()
        raise StoppedError(stop.exit_code - 128, _STOP_HINT) from None
    except SeqcastError as failure:  # such as divergence; the search goes on
        return suggestion.end("failed", time.monotonic() - started, reason=str(failure))
    return suggestion.end("finished", time.monotonic() - started, error=error)


def _validation_error(search: Search, suggestion: Suggestion, deadline: float, hooks: Hooks) -> float:
    """The validation error of the model that training would keep, on the same windows for every loss and context."""
    plan = search.plan(suggestion.values)
    # A refit and more networks cost time and say nothing about the settings.
    single = replace(plan, config=plan.config.override(training={"refit": False, "ensemble": 1}))
    num_validations = 0

    def judge(progress: Progress) -> None:
        nonlocal num_validations
        hooks.on_progress(progress)
        if progress.validation is not None:
            num_validations += 1
            relative_mae = progress.validation.relative_mae
            if relative_mae is not None and suggestion.is_hopeless(num_validations, relative_mae):
                raise _HopelessError
        if time.monotonic() > deadline:
            raise _OutOfTimeError

    result = train_model(search.source.panel, single, search.runtime, replace(hooks, on_progress=judge)).result
    return result.validation_loss if result.relative_mae is None else result.relative_mae


def _identity(search: Search, space: dict[str, BaseDistribution]) -> str:
    """A digest of the data and options of a study, without the device."""
    training = search.base.training.model_copy(update={"device": "auto", "precision": "auto"})
    config = search.base.model_copy(update={"training": training}).to_toml()
    return hashlib.sha256("\n".join([config, search.source.fingerprint, repr(space)]).encode()).hexdigest()


def _write_best(search: Search, study: Study, directory: Path) -> None:
    with study.locked():
        study.read_again()
        best = study.best()
        if best is not None:
            write_atomically(directory / CONFIG_FILE, search.plan(best.values).config.to_toml().encode())


def _make(directory: Path) -> None:
    """Make the directory of a study, or reuse that of an earlier process.

    Raises:
        RunError: It holds something else, or cannot be made.
    """
    left_behind = directory.is_dir() and any(path.name != LOCK_NAME for path in directory.iterdir())
    if left_behind and not (directory / STUDY_FILE).exists():
        raise RunError(f"{directory}: it is not empty and holds no study.", hint=f"Give another {option('run')}.")
    make_directory(directory)
