"""The part of an engine that runs in a process of its own. It knows no engine: any of them can call it."""

import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import seqcast
from seqcast.errors import SeqcastError, UsageError, option

Item = TypeVar("Item")


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

    def __init__(self, work: Callable[[Item], object], folder: str) -> None:
        """`folder` is the working directory of the command, which relative paths begin at."""
        self.work, self.folder = work, folder
        use_one_thread()

    def begin(self) -> bytes:
        """The version of seqcast in this process as a pickled `Outcome`, once it is ready to work."""
        try:
            os.chdir(self.folder)
        except OSError as error:
            told = f"a worker cannot use the folder {self.folder}: {error.strerror}."
            hint = f"With {option('engine', 'ray')} every machine needs the data and the run at the same path."
            return pickle.dumps(Outcome(error=UsageError(told, hint=hint)))
        return pickle.dumps(Outcome(seqcast.__version__))

    def do(self, item: Item) -> bytes:
        """The pickled `Outcome` of an item: a copy, so that no part of it keeps the rest in shared memory."""
        try:
            return pickle.dumps(Outcome(self.work(item)))
        except Exception as error:  # noqa: BLE001  # it is raised where the command runs
            return _pickled_error(error)


def use_one_thread() -> None:
    """Let the libraries compute with one thread, as each worker has one core."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].set_cpu_count(1)


def _pickled_error(error: Exception) -> bytes:
    try:
        return pickle.dumps(Outcome(error=error))
    except Exception:  # noqa: BLE001  # such as an error that holds an open file
        return pickle.dumps(Outcome(error=SeqcastError(f"{type(error).__name__}: {error}")))
