"""The engine that does work item by item: this process, or several processes side by side."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def number_of(item: object) -> str:
    """Returns an item as text."""
    return str(item)


class Engine(Protocol):
    """Does the same work on many items."""

    @property
    def num_workers(self) -> int:
        """Number of processes that work side by side."""
        ...

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], name_of: Callable[[Item], str] = number_of
    ) -> Iterator[Result]:
        """Yield the result of each item, in the order of the items.

        `work` goes to every worker once, so it holds what all items need: a loaded run, a panel. It must not depend on
        which items a worker has done before. `name_of` names an item in an error.

        Raises:
            SeqcastError: An item could not be done, or the error that the work on it raised.
        """
        ...

    def map_long(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        stop_signal: Callable[[], int | None],
        name_of: Callable[[Item], str] = number_of,
    ) -> Iterator[Result]:
        """As `map`, for items that take long and save their state when they are asked to stop.

        Once `stop_signal` returns the number of a signal, `worker.asked_to_stop` returns it in the workers, too.

        Raises:
            StoppedError: The work that was under way has stopped.
            SeqcastError: As `map`.
        """
        ...


class SingleProcess:
    """Works in this process, on one item after the other."""

    num_workers = 1

    def map_long(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        stop_signal: Callable[[], int | None],
        name_of: Callable[[Item], str] = number_of,
    ) -> Iterator[Result]:
        """Yield the result of each item; the work itself asks `stop_signal`."""
        del stop_signal
        return self.map(work, items, name_of)

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], name_of: Callable[[Item], str] = number_of
    ) -> Iterator[Result]:
        """Yield the result of each item; see `Engine.map`."""
        del name_of  # an error says where it is
        return map(work, items)


SINGLE_PROCESS = SingleProcess()
