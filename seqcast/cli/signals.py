"""Signals that stop a long command as soon as its state can be saved."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
