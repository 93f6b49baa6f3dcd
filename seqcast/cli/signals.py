"""Signals that ask a long command to stop, and are acted on where its state can be saved."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals(*, repeated: bool = False) -> Iterator[Callable[[], int | None]]:
    """While open, the first of SIGINT, SIGTERM, SIGHUP is remembered instead of acted on; a second ends at once.

    Those that the caller ignores (`nohup`) stay ignored. `repeated`: further signals mean the same, as `torchrun` sends
    them to processes that the terminal has told already.
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
