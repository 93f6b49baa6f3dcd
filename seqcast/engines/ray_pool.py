"""Work on the actors of a Ray cluster, in the order of the items, whichever actors die meanwhile."""

import pickle
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import current_thread, main_thread
from types import ModuleType
from typing import Any, TypeVar

import seqcast
from seqcast.engines.engine import number_of
from seqcast.engines.worker import Assignment, Worker
from seqcast.errors import SeqcastError, StoppedError, UsageError, option

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_TRIES = 4
"""Times that an item is handed out when the workers that have it die."""
MOST_RESTARTS = 100
"""Times that Ray starts a worker again."""
ITEMS_AT_ONCE = 2
"""Items that a worker has: one to work on, and one so that it need not wait for the next."""
MOST_AHEAD = 4
"""Items for each worker that are done before the first one whose result is not taken yet."""
POLL_SECONDS = 0.5
"""Time between two looks for a signal."""
_GOES_ON = "The same command goes on from there."
_FEWER = f"Give fewer {option('workers')}, so that each has more memory."
_SAME = "Every machine of the cluster needs the same seqcast, with the same extras, and the same RAY_AUTH_MODE."


@dataclass
class RayPool:
    """An engine whose workers are actors, each with one core and, where they are needed, one GPU."""

    ray: ModuleType
    num_workers: int
    place: str
    """The cluster, in words."""
    num_gpus: int = 0
    _actors: list[Any] = field(default_factory=list, init=False)
    """Workers that were started; they stay for later work."""
    _num_assignments: int = field(default=0, init=False)

    def prepare(self, module: str) -> None:
        """Start all workers, and let them import a module that their work needs."""
        for actor in self._started(self.num_workers):
            actor.prepare.remote(module)

    def dismiss(self) -> None:
        """End all workers, whatever they are about."""
        if self.ray.is_initialized():  # else the cluster has ended, and they with it
            for actor in self._actors:
                self.ray.kill(actor)
        self._actors.clear()

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], name_of: Callable[[Item], str] = number_of
    ) -> Iterator[Result]:
        """Yield the result of each item; see `Engine.map`.

        Ray starts a worker that died again and hands its items out again; `work` is sent again, too.
        """
        yield from self._map(_Job(work, items, name_of))

    def map_long(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        stop_signal: Callable[[], int | None],
        name_of: Callable[[Item], str] = number_of,
    ) -> Iterator[Result]:
        """Yield the result of each item; see `Engine.map_long`."""
        yield from self._map(_Job(work, items, name_of, stop_signal, items_at_once=1))

    def _map(self, job: "_Job") -> Iterator[Any]:
        work = self.ray.put(job.work)  # kept until the end, for workers that are started again
        self._num_assignments += 1
        assignment = Assignment[Any](self._num_assignments, partial(self.ray.get, work))
        actors = self._started(min(self.num_workers, len(job.items)))
        is_done = False
        try:
            for number, outcome in enumerate(_Schedule(self, actors, job, assignment).outcomes()):
                yield self._result(outcome, job.name_of(job.items[number]))
            is_done = True
        finally:
            if not is_done:  # they are about items that no one waits for
                self.dismiss()

    def _started(self, number: int) -> list[Any]:
        """This many workers; those that are missing are started."""
        if len(self._actors) < number:
            kept = {"max_restarts": MOST_RESTARTS, "max_task_retries": MOST_TRIES - 1}
            # A call of `stop` must not wait for the item that a worker is about.
            options = {"num_cpus": 1, "num_gpus": self.num_gpus, "concurrency_groups": {"stop": 1}}
            actor = self.ray.remote(**options, **kept)(Worker)
            self._actors += [actor.remote(str(Path.cwd())) for _ in range(number - len(self._actors))]
        return self._actors[:number]

    def _result(self, outcome: Any, name: str) -> Any:
        try:
            done = self.ray.get(outcome)
        except self.ray.exceptions.OutOfMemoryError:
            raise SeqcastError(f"{name}: the workers had too little memory for it.", hint=_FEWER) from None
        except self.ray.exceptions.RayActorError:
            told = f"{name}: {MOST_TRIES} workers died while they had it."
            raise SeqcastError(told, hint=_FEWER) from None
        except self.ray.exceptions.RayError as error:
            raise SeqcastError(f"{name}: Ray lost its result: {_first_line(error)}") from None
        return pickle.loads(done).unwrapped()  # noqa: S301  # from a worker of our own

    def require_begun(self, outcome: Any) -> None:
        """Check that a worker has begun.

        Raises:
            UsageError: It lacks a library or the folder, has another version of seqcast, or died.
        """
        try:
            version = pickle.loads(self.ray.get(outcome)).unwrapped()  # noqa: S301
        except self.ray.exceptions.RayError as error:
            raise UsageError(f"a worker on {self.place} cannot start: {_last_line(error)}", hint=_SAME) from None
        if version != seqcast.__version__:
            told = f"a worker on {self.place} has seqcast {version}, and this is {seqcast.__version__}."
            raise UsageError(told, hint=_SAME)


@contextmanager
def delayed_signals() -> Iterator[None]:
    """Let signals wait until Ray is back: it turns an exception of a handler into the exit code 1."""
    if current_thread() is not main_thread():
        yield
        return
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, lambda number, _frame: received.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for each in received:
        before[signal.Signals(each)](each, None)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]


def _last_line(error: Exception) -> str:
    """The end of a traceback: the message without its kind and without colours."""
    line = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().rpartition("\n")[2]
    return re.sub(r"^[\w.]+: ", "", line)[:300].rstrip(".") + "."


@dataclass(frozen=True)
class _Job:
    """Some work on some items."""

    work: Callable[[Any], Any]
    items: Sequence[Any]
    name_of: Callable[[Any], str]
    stop_signal: Callable[[], int | None] | None = None
    """None where the work keeps no state that it could save."""
    items_at_once: int = ITEMS_AT_ONCE


@dataclass
class _Schedule:
    """Which worker has which items."""

    pool: RayPool
    actors: list[Any]
    job: _Job
    assignment: Assignment[Any]
    waiting: dict[Any, tuple[int, int | None]] = field(default_factory=dict)
    """The actor of each unfinished call, and the number of its item; None for the call that tells it has begun."""
    done: dict[int, Any] = field(default_factory=dict)
    """References to outcomes that are not taken yet."""
    free: list[int] = field(default_factory=list)
    """The actors that can take an item, once for each item."""
    num_given: int = 0
    stopped_by: int | None = None

    def outcomes(self) -> Iterator[Any]:
        """Yield a reference to the finished outcome of each item, in order.

        Raises:
            StoppedError: A signal came, and the workers have stopped.
        """
        self.waiting = {actor.begin.remote(self.assignment): (number, None) for number, actor in enumerate(self.actors)}
        for next_number in range(len(self.job.items)):
            self._give(next_number)
            while next_number not in self.done:
                if self.stopped_by is not None and next_number >= self.num_given:
                    raise StoppedError(self.stopped_by, _GOES_ON)
                self._wait()
                self._give(next_number)
            while self.stopped_by is not None and self.waiting:
                self._wait()  # until every worker has saved its state
            yield self.done.pop(next_number)

    def _wait(self) -> None:
        """Wait for the end of a call, or a moment where a signal may come."""
        with delayed_signals():
            finished, _ = self.pool.ray.wait(list(self.waiting), num_returns=1, timeout=POLL_SECONDS)
        for call in finished:
            actor, number = self.waiting.pop(call)
            if number is None:
                self.pool.require_begun(call)
                self.free += [actor] * self.job.items_at_once
            else:
                self.done[number] = call
                self.free.append(actor)
        signal_number = None if self.job.stop_signal is None else self.job.stop_signal()
        if signal_number is not None and self.stopped_by is None:
            self.stopped_by = signal_number
            for each in self.actors:
                each.stop.options(concurrency_group="stop").remote(signal_number)

    def _give(self, next_number: int) -> None:
        """Hand items out, to workers that have none before others."""
        most = min(len(self.job.items), next_number + MOST_AHEAD * len(self.actors))
        while self.free and self.num_given < most and self.stopped_by is None:
            actor = max(self.free, key=self.free.count)
            self.free.remove(actor)
            call = self.actors[actor].do.remote(self.assignment, self.job.items[self.num_given])
            self.waiting[call] = (actor, self.num_given)
            self.num_given += 1
