"""Signals that stop a long command as soon as its state can be saved."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from seqcast.errors import StoppedError


@contextmanager
def stop_signals(*, repeated: bool = False) -> Iterator[Callable[[], int | None]]:
    """Remember the first SIGINT, SIGTERM or SIGHUP instead of ending; a second one ends the program at once.

    Signals that the caller ignores (`nohup`) stay ignored. `repeated`: later signals mean the same as the first, since
    `torchrun` repeats those that the terminal has already sent.

    Yields:
        A function that returns the number of the signal, None while there is none.
    """
    received: list[int] = []
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]

    def remember(number: int, _frame: object) -> None:
        received.append(number)
        for each in () if repeated else numbers:
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, action in before.items():
            signal.signal(number, action)


@contextmanager
def told_stops(hint: str) -> Iterator[None]:
    """Tell of a signal that ends the work inside this context; `hint` says what is kept and how to go on.

    Raises:
        StoppedError: A signal came.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(signal.SIGINT, hint) from None
    except SystemExit as end:
        number = next((each for each in (signal.SIGTERM, signal.SIGHUP) if end.code == 128 + each), None)
        if number is None:
            raise
        raise StoppedError(number, hint) from None
