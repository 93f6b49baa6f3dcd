"""Every way seqcast can fail, and the exit code of each.

    SeqcastError                    1  anything not named below
     ├── UsageError                 2  options or configuration that make no sense
     ├── DataError                  3  the data cannot be used
     ├── RunError                   4  the run directory is absent, damaged, too new, or refused as unsafe
     ├── DivergedError              5  training produced numbers that are not finite
     └── StoppedError         128 + n  stopped by signal n, state saved

A message says what is wrong, where, and what to do; `Place` carries the where in a form programs can read.
"""

from __future__ import annotations

import signal
from dataclasses import asdict, dataclass

_LONGEST_NAME = 1000
"""Letters of a file's name in a message, so that what is wrong with it still fits behind."""


@dataclass(frozen=True)
class Place:
    """Where in the input a problem stands; every part is optional."""

    file: str | None = None
    line: int | None = None
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        """`data.csv, line 57, column 'y'`: the parts that are known, in reading order."""
        file = self.file
        parts = [
            file if file is None or len(file) <= _LONGEST_NAME else f"{file[:_LONGEST_NAME]}...",
            None if self.line is None else f"line {self.line}",
            None if self.column is None else f"column {self.column!r}",
        ]
        return ", ".join(part for part in parts if part is not None)


NOWHERE = Place()


class SeqcastError(Exception):
    """An expected failure: `str()` is the whole message for a person, `as_dict()` the same for a program.

    Args:
        message: What is wrong.
        place: Where it is wrong; put in front of the message.
        hint: What to do about it; put behind the message.
    """

    exit_code = 1
    kind = "error"

    def __init__(self, message: str, *, place: Place = NOWHERE, hint: str | None = None) -> None:
        self.message, self.place, self.hint = message, place, hint
        where = str(place)
        text = f"{where}: {message}" if where else message
        super().__init__(f"{text} {hint}" if hint else text)

    def as_dict(self) -> dict[str, object]:
        """The fields of the `--json` error document."""
        return {"error": str(self), "kind": self.kind, **asdict(self.place), "hint": self.hint}


class UsageError(SeqcastError):
    """Options or configuration that contradict each other or the data's shape."""

    exit_code = 2
    kind = "usage"


class DataError(SeqcastError):
    """A table that cannot be turned into a panel, or a panel that cannot be trained on."""

    exit_code = 3
    kind = "data"


class RunError(SeqcastError):
    """A run directory that cannot be read, written, trusted or found."""

    exit_code = 4
    kind = "run"


class DivergedError(SeqcastError):
    """Training met a loss or a gradient that is not finite."""

    exit_code = 5
    kind = "diverged"


class StoppedError(SeqcastError):
    """A signal asked training to end; the state was saved before this was raised."""

    kind = "stopped"

    def __init__(self, signal_number: int, hint: str) -> None:
        self.exit_code = 128 + signal_number
        super().__init__(f"Stopped by {signal.Signals(signal_number).name}.", hint=hint)
