"""A search for the settings that forecast the validation part best; the test part is never looked at."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from seqcast.config import Config
from seqcast.errors import RunError, SeqcastError, StoppedError, option
from seqcast.experiments.tuning.space import Dimension, Value, first_values, search_space, with_values
from seqcast.experiments.tuning.study import STUDY_FILE, Study, Suggestion, Trial
from seqcast.run.record import CONFIG_FILE
from seqcast.run.source import Source, resolve_roles
from seqcast.runtime import Runtime
from seqcast.storage import LOCK_NAME, lock_directory, write_atomically
from seqcast.training.fit import train_model
from seqcast.training.loop import Hooks, Progress
from seqcast.training.plan import Plan, make_plan


@dataclass(frozen=True)
class Search:
    """What is searched, and around what."""

    source: Source
    base: Config
    """Its automatic settings are chosen anew for every trial."""
    runtime: Runtime
    fixed: frozenset[str] = frozenset()
    """Settings, `section.name`, that are not searched."""

    def plan(self, values: dict[str, Value] | None = None) -> Plan:
        """What training does with these values.

        Raises:
            DataError, UsageError: As `training.plan.make_plan`.
        """
        panel = self.source.panel
        return make_plan(panel, resolve_roles(with_values(self.base, values or {}), panel))


@dataclass(frozen=True)
class Budget:
    """When a search ends, whichever comes first."""

    num_trials: int
    """Of the whole study, those of earlier processes included."""
    seconds: float = math.inf
    """Of this process; the first trial of a study is finished however long it takes."""


@dataclass(frozen=True)
class Watch:
    """How a search tells how far it is; the defaults say nothing."""

    on_begin: Callable[[int, dict[str, Value]], None] = lambda _number, _values: None
    on_end: Callable[[Trial], None] = lambda _trial: None
    training: Hooks = Hooks()


@dataclass(frozen=True)
class Tuning:
    """What a study has found so far."""

    space: tuple[Dimension, ...]
    trials: tuple[Trial, ...]
    best: Trial
    config: Config
    """Of the best trial, without automatic values."""

    @property
    def first(self) -> Trial:
        """The trial of the settings that training has by itself."""
        return self.trials[0]


class _HopelessError(Exception):
    """The trial is worse than others were at its stage."""


class _OutOfTimeError(Exception):
    """The budget ended within a trial."""


def tune(search: Search, directory: Path, budget: Budget, watch: Watch = Watch()) -> Tuning:
    """Try settings until the budget is spent, and write the best of them to `config.toml` whenever a better is found.

    The study is in the directory; what an earlier process finished is not tried again.

    Raises:
        RunError: The directory holds another study, or cannot be written.
        StoppedError: A signal ended it; finished trials are kept.
        SeqcastError: Every trial failed.
    """
    plan = search.plan()
    space = search_space(plan, search.fixed)
    _make(directory)
    with lock_directory(directory):
        study = Study(directory / STUDY_FILE, space, _identity(search, space), plan.config.training.seed)
        first, deadline = first_values(space, plan.config), time.monotonic() + budget.seconds
        while len(study.trials()) < budget.num_trials and time.monotonic() < deadline:
            suggestion = study.suggest(first)
            watch.on_begin(len(study.trials()) + 1, suggestion.values)
            limit = deadline if study.trials() else math.inf
            if not _try(search, suggestion, limit, watch.training):
                break
            watch.on_end(study.trials()[-1])
            _write_best(search, study, directory)
        _write_best(search, study, directory)  # which a kill may have kept an earlier process from
        return _found(search, space, study)


def _try(search: Search, suggestion: Suggestion, deadline: float, hooks: Hooks) -> bool:
    """Train one point and record what came of it; False where time ran out meanwhile."""
    started = time.monotonic()
    try:
        error = _validation_error(search, suggestion, deadline, hooks)
    except _HopelessError:
        suggestion.prune(time.monotonic() - started)
    except _OutOfTimeError:
        suggestion.forget()
        return False
    except StoppedError as stop:
        suggestion.forget()
        hint = "Finished trials are kept; the same command goes on from there."
        raise StoppedError(stop.exit_code - 128, hint) from None
    except SeqcastError as failure:  # such as training that diverged; the search goes on
        suggestion.fail(str(failure), time.monotonic() - started)
    else:
        suggestion.finish(error, time.monotonic() - started)
    return True


def _validation_error(search: Search, suggestion: Suggestion, deadline: float, hooks: Hooks) -> float:
    """The error of what training would keep; its windows are the same whatever the loss and the context."""
    plan = search.plan(suggestion.values)
    # A refit and further members cost time and tell nothing of the settings.
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


def _found(search: Search, space: tuple[Dimension, ...], study: Study) -> Tuning:
    trials, best = study.trials(), study.best()
    if best is None:
        reason = trials[-1].reason if trials else "there was no time for one."
        raise SeqcastError(
            f"no trial was finished: {reason}",
            hint=f"Give more {option('time')} or {option('trials')}, or other options.",
        )
    return Tuning(space, trials, best, search.plan(best.values).config)


def _identity(search: Search, space: tuple[Dimension, ...]) -> str:
    """Names the work a study belongs to; the device is no part of it."""
    training = search.base.training.model_copy(update={"device": "auto", "precision": "auto"})
    config = search.base.model_copy(update={"training": training}).to_toml()
    return hashlib.sha256("\n".join([config, search.source.fingerprint, repr(space)]).encode()).hexdigest()


def _write_best(search: Search, study: Study, directory: Path) -> None:
    best = study.best()
    if best is not None:
        write_atomically(directory / CONFIG_FILE, search.plan(best.values).config.to_toml().encode())


def _make(directory: Path) -> None:
    """Make the directory of a study, or take that of an earlier one.

    Raises:
        RunError: It holds something else, or cannot be made.
    """
    left_behind = directory.is_dir() and any(path.name != LOCK_NAME for path in directory.iterdir())
    if left_behind and not (directory / STUDY_FILE).exists():
        raise RunError(f"{directory}: it is not empty and holds no study.", hint=f"Give another {option('run')}.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"{directory}: cannot be made: {error.strerror}.", hint=f"Give another {option('run')}."
        ) from None
