"""The part of an engine that runs in a process of its own. It knows no engine: any of them can call it."""

import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

import seqcast
from seqcast.errors import SeqcastError, UsageError, option

Item = TypeVar("Item")


_signals: list[int] = []


def asked_to_stop() -> int | None:
    """Returns the number of the signal that the command has received; None while there is none."""
    return _signals[0] if _signals else None


@dataclass(frozen=True)
class Assignment(Generic[Item]):
    """Some work for a worker, which is too large to be sent with every item."""

    number: int
    """Another one for each assignment of the worker."""
    fetch: Callable[[], Callable[[Item], object]]
    """Gets the work."""


@dataclass(frozen=True)
class Outcome:
    """The result of an item, or the error that the work on it raised."""

    result: Any = None
    error: Exception | None = None

    def unwrapped(self) -> Any:
        """The result; raises the error if there is one."""
        if self.error is not None:
            raise self.error
        return self.result


class Worker(Generic[Item]):
    """Holds some work and does it on the items that it is given, with one thread."""

    def __init__(self, folder: str) -> None:
        """`folder` is the working directory of the command, which relative paths begin at."""
        self.folder = folder
        self.number: int | None = None
        self.work: Callable[[Item], object]

    def prepare(self, module: str) -> None:
        """Import a module that the work needs, while the command still gets ready."""
        with suppress(ImportError):  # it comes again when the work is fetched
            import_module(module)

    def begin(self, assignment: Assignment[Item]) -> bytes:
        """The version of seqcast in this process as a pickled `Outcome`, once the work is here."""
        return _outcome(lambda: (self._begun(assignment), seqcast.__version__)[1])

    def do(self, assignment: Assignment[Item], item: Item) -> bytes:
        """The pickled `Outcome` of an item: a copy, so that no part of it keeps the rest in shared memory.

        A worker that was started again after its death has to fetch the work again.
        """
        return _outcome(lambda: self._begun(assignment)(item))

    def stop(self, number: int) -> None:
        """Ask the work to save its state and stop, as a signal of this number asked the command."""
        _signals.append(number)

    def _begun(self, assignment: Assignment[Item]) -> Callable[[Item], object]:
        """The work.

        Raises:
            UsageError: The folder is not there.
        """
        if self.number != assignment.number:
            try:
                os.chdir(self.folder)
            except OSError as error:
                told = f"a worker cannot use the folder {self.folder}: {error.strerror}."
                hint = f"With {option('engine', 'ray')} every machine needs the data and the run at the same path."
                raise UsageError(told, hint=hint) from None
            self.work, self.number = assignment.fetch(), assignment.number
            settle_in()
        return self.work


def settle_in() -> None:
    """Let the libraries compute with one thread, as each worker has one core, and reuse memory."""
    if "torch" in sys.modules:
        from seqcast.runtime import keep_freed_memory

        sys.modules["torch"].set_num_threads(1)
        keep_freed_memory()
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].set_cpu_count(1)


def _outcome(work: Callable[[], object]) -> bytes:
    """The pickled outcome of some work."""
    try:
        return pickle.dumps(Outcome(work()))
    except Exception as error:  # noqa: BLE001  # it is raised where the command runs
        raised = error
    try:
        return pickle.dumps(Outcome(error=raised))
    except Exception:  # noqa: BLE001  # such as an error that holds an open file
        return pickle.dumps(Outcome(error=SeqcastError(f"{type(raised).__name__}: {raised}")))
