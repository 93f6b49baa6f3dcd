"""Trackers of experiments, TensorBoard and MLflow: they are told what metrics.jsonl has, the settings and the files.

Training never waits for a tracker, which works in a thread of its own, and never fails with one: its first failure is
told once, and ends it.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol

from seqcast.config import Config, TrackerName, flat_settings
from seqcast.errors import RunError, StoppedError, option
from seqcast.extras import import_extra
from seqcast.panel.notices import Notice
from seqcast.run.directory import RunDirectory
from seqcast.run.record import CONFIG_FILE, METRICS_FILE, RUN_FILE
from seqcast.training.counters import ValidationRecord, parse_metrics

LONGEST_WAIT_SECONDS = 60.0
"""How long the end of a training waits for a tracker."""
TENSORBOARD_FOLDER = "tensorboard"
"""Folder of events in a run directory, so that `tensorboard --logdir runs` shows all runs."""
EXPERIMENT = "seqcast"
"""Experiment of MLflow, unless MLFLOW_EXPERIMENT_NAME names another one."""
_LONGEST_PARAMETER = 500
"""Most letters of a parameter that every server of MLflow takes."""
_MOST_PARAMETERS, _MOST_METRICS = 100, 1000
"""Most entries of one request to MLflow."""


class Tracker(Protocol):
    """A tracker of one training; its methods are called in this order, and may fail in any way."""

    def begin(self, directory: RunDirectory, *, resume: bool) -> bool:
        """Begin to track; returns whether the validations from before a resumed training are known already."""

    def add(self, validations: Sequence[ValidationRecord]) -> None:
        """Add new validations."""

    def finish(self, directory: RunDirectory, status: str) -> None:
        """End with the status of the run, whose directory is complete."""


class TensorBoard:
    """Scalars and texts in `RUN/tensorboard`; those of an earlier run in the directory are hidden."""

    def begin(self, directory: RunDirectory, *, resume: bool) -> bool:
        """Write the settings."""
        from torch.utils.tensorboard import SummaryWriter

        folder = directory.path / TENSORBOARD_FOLDER
        known = resume and folder.is_dir()
        self._writer: Any = SummaryWriter(str(folder), purge_step=None if known else 0)
        self._writer.add_text("settings", _as_code((directory.path / CONFIG_FILE).read_text(encoding="utf-8")))
        return known

    def add(self, validations: Sequence[ValidationRecord]) -> None:
        """Write a scalar for each number."""
        for each in validations:
            for name, value in numbers_of(each).items():
                self._writer.add_scalar(name, value, each.step)
        self._writer.flush()

    def finish(self, directory: RunDirectory, status: str) -> None:
        """Write the record of the run; its other files lie beside the events."""
        self._writer.add_text("status", status)
        if directory.has_record():
            record = directory.read_record().model_dump_json(indent=2, exclude={"series_ids", "attention"})
            self._writer.add_text(RUN_FILE, _as_code(record))
        self._writer.close()


class MLflow:
    """A run on the server, or in the folder, that MLflow itself is set up for."""

    def begin(self, directory: RunDirectory, *, resume: bool) -> bool:
        """Find the run of the directory where it is resumed, or create one with the settings as parameters."""
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):  # which tell on the terminal how they set up a database
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client: Any = MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = self._client.get_experiment_by_name(name)
        number = self._client.create_experiment(name) if experiment is None else experiment.experiment_id
        path = str(directory.path.resolve())
        mark = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()  # which no filter has to quote
        if resume:
            order = ["attributes.start_time DESC"]
            found = self._client.search_runs([number], f"tags.`seqcast.mark` = '{mark}'", max_results=1, order_by=order)
            if found:
                self._run = found[0].info.run_id
                self._client.update_run(self._run, status="RUNNING")
                return True
        tags = {"seqcast.directory": path[:_LONGEST_PARAMETER], "seqcast.mark": mark}
        self._run = self._client.create_run(number, run_name=directory.path.name, tags=tags).info.run_id
        parameters = [Param(name, value) for name, value in parameters_of(_config(directory)).items()]
        for first in range(0, len(parameters), _MOST_PARAMETERS):
            self._client.log_batch(self._run, params=parameters[first : first + _MOST_PARAMETERS])
        return False

    def add(self, validations: Sequence[ValidationRecord]) -> None:
        """Send a metric for each number."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [
            Metric(name, value, now, each.step) for each in validations for name, value in numbers_of(each).items()
        ]
        for first in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(self._run, metrics=metrics[first : first + _MOST_METRICS])

    def finish(self, directory: RunDirectory, status: str) -> None:
        """Send the run directory as an artifact."""
        self._client.log_artifacts(self._run, str(directory.path), "run")
        self._client.set_terminated(self._run, {"finished": "FINISHED", "stopped": "KILLED"}.get(status, "FAILED"))


TRACKERS: dict[TrackerName, type[TensorBoard] | type[MLflow]] = {"tensorboard": TensorBoard, "mlflow": MLflow}


def require_tracker(name: TrackerName) -> None:
    """Check that a tracker is installed.

    Raises:
        UsageError: It is not.
    """
    import_extra(name, name, option("track", name))


@contextmanager
def tracked(
    tracker: Tracker, directory: RunDirectory, tell: Callable[[Sequence[Notice]], None], *, resume: bool
) -> Iterator["Tracking"]:
    """Track the training in the block, and end with what has become of it.

    Args:
        tracker: Where to.
        directory: That of the run.
        tell: Called at most once, with a warning of the first failure.
        resume: Whether the training goes on from a saved state.
    """
    tracking, status = (
        Tracking(tracker, directory, tell, _num_validations(directory) if resume else 0, resume),
        "failed",
    )
    try:
        yield tracking
        status = "finished"
    except StoppedError:
        status = "stopped"
        raise
    finally:
        tracking.finish(status)


@dataclass(eq=False)
class Tracking:
    """A training that is being tracked."""

    tracker: Tracker
    directory: RunDirectory
    tell: Callable[[Sequence[Notice]], None]
    num_before: int
    """Validations from before a resumed training."""
    resume: bool
    _work: SimpleQueue[Callable[[], None] | None] = field(default_factory=SimpleQueue, init=False)
    _thread: Thread | None = field(default=None, init=False)
    _num_added: int = field(default=0, init=False)
    _failure: str = field(default="", init=False)
    _has_told: bool = field(default=False, init=False)

    def save(self, _state: bytes, history: tuple[ValidationRecord, ...]) -> None:
        """Track the validations that are new; a hook of the training."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="tracker", daemon=True)
            self._thread.start()
            self._work.put(self._begin)
        new, self._num_added = history[self._num_added :], len(history)
        self._work.put(lambda: self._add(new))
        self._tell_failure()

    def finish(self, status: str) -> None:
        """End the tracking, and wait for it as long as is reasonable."""
        if self._thread is None:
            return
        self._work.put(lambda: self.tracker.finish(self.directory, status))
        self._work.put(None)
        self._thread.join(LONGEST_WAIT_SECONDS)
        if self._thread.is_alive() and not self._failure:
            self._failure = f"it has not answered for {LONGEST_WAIT_SECONDS:.0f} s"
        self._tell_failure()

    def _begin(self) -> None:
        if not self.tracker.begin(self.directory, resume=self.resume):
            self.num_before = 0

    def _add(self, new: Sequence[ValidationRecord]) -> None:
        skipped = min(self.num_before, len(new))
        self.num_before -= skipped
        if new[skipped:]:
            self.tracker.add(new[skipped:])

    def _run(self) -> None:
        """Do one piece of work after the other; after a failure there is nothing more to do."""
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception as error:  # noqa: BLE001  # a foreign library may raise anything; the training goes on
                self._failure = f"{type(error).__name__}: {error}"
                return

    def _tell_failure(self) -> None:
        if self._failure and not self._has_told:
            self._has_told = True
            reason = " ".join(self._failure.split())[:300]
            name = type(self.tracker).__name__
            self.tell([Notice("repair", f"{name} has failed, so the training goes on without it: {reason}")])


def numbers_of(validation: ValidationRecord) -> dict[str, float]:
    """The numbers of a validation by name; each network of a run has names of its own."""
    numbers = asdict(validation)
    member = numbers.pop("member")
    return {
        f"network-{member}/{name}": value for name, value in numbers.items() if value is not None and name != "step"
    }


def parameters_of(config: Config) -> dict[str, str]:
    """Every setting in words, as far as it is set."""
    settings = {name: value for name, value in flat_settings(config).items() if value is not None}
    return {name: str(value)[:_LONGEST_PARAMETER] for name, value in settings.items()}


def _config(directory: RunDirectory) -> Config:
    return directory.read_config(directory.read_record())


def _num_validations(directory: RunDirectory) -> int:
    """The number of lines of metrics.jsonl; none where it cannot be read, so that all are told again."""
    try:
        return len(parse_metrics(directory.read_metrics(), METRICS_FILE))
    except RunError:
        return 0


def _as_code(text: str) -> str:
    """A text that Markdown shows as it is."""
    return "\n".join(f"    {line}" for line in text.splitlines())
