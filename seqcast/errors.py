"""Every way seqcast can fail, and the exit code of each.

    SeqcastError                    1  anything not named below
     ├── UsageError                 2  options or configuration that make no sense
     ├── DataError                  3  the data cannot be used
     ├── RunError                   4  the run directory is absent, damaged, too new, or refused as unsafe
     ├── DivergedError              5  training produced numbers that are not finite
     └── StoppedError         128 + n  stopped by signal n, state saved

A message says what is wrong, where, and what to do; `Place` carries the where in a form programs can read.
Texts name an option by `option("known")`; whoever shows the error chooses the spelling: `--known` or `known=`.
"""

import re
import signal
from dataclasses import asdict, dataclass

_LONGEST_NAME = 1000
"""Most letters of a file name in a message; the rest is cut so that the reason still fits."""

_MARKED = re.compile("\ufdd0([a-z_]+)(=?)\ufdd1")
"""An option's name between two characters that Unicode keeps for a program's own use; `repr` escapes them in data."""

_WITH_VALUE = re.compile("\ufdd0([a-z_]+)=\ufdd1('[^']*'|\"[^\"]*\"|\\S+)")

Hint = str | tuple[str, ...]
"""What to do about an error: one sentence, or several of which a caller may drop some."""


def option(name: str, value: object = "") -> str:
    """An option in a message or a hint: `option("freq", "h")` is shown as `--freq h` or `freq=h`."""
    return f"\ufdd0{name}=\ufdd1{value}" if value != "" else f"\ufdd0{name}\ufdd1"


def options_in(text: str) -> set[str]:
    """Names of the options that a message or a hint speaks of."""
    return {name for name, _ in _MARKED.findall(text)}


def options_with_values(text: str) -> tuple[tuple[str, str], ...]:
    """Names and values, as a shell takes them, of the options that a hint gives a value for."""
    found = ((name, value) for name, value in _WITH_VALUE.findall(text))
    return tuple((name, value if value[0] in "'\"" else value.rstrip(".,;:?)") or value[0]) for name, value in found)


def sentences(hint: Hint | None) -> tuple[str, ...]:
    """The sentences of a hint, none where there is no hint."""
    return (hint,) if isinstance(hint, str) else hint or ()


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


class SeqcastWarning(UserWarning):
    """A warning that a command would print: a repair of the data, or something odd about a forecast."""


class SeqcastError(Exception):
    """An expected failure: `str()` is the whole message for a person, `as_dict()` the same for a program.

    Args:
        message: What is wrong.
        place: Where it is wrong; put in front of the message.
        hint: What to do about it; put behind the message.

    Attributes:
        for_python: Whether options are spelled as arguments of Python instead of options of the shell.
        instead: A column that was asked for, and the one to ask for in its place (empty if there is none).
        remedy: An option and the value of it that would remedy it, where the hint does not say the value.
        closing: A last sentence of the message, which is no part of the hint.
        details: Further fields of the `--json` error document.
    """

    exit_code = 1
    kind = "error"

    def __init__(self, message: str, *, place: Place = NOWHERE, hint: Hint | None = None) -> None:
        super().__init__(message)
        self.message, self.place, self.hint, self.for_python = message, place, sentences(hint), False
        self.instead: tuple[str, str] | None = None
        self.remedy: tuple[str, str] | None = None
        self.closing = ""
        self.details: dict[str, object] = {}

    def __str__(self) -> str:
        where = str(self.place)
        told = map(self._spelled, (self.message, *self.hint))
        return " ".join([*([f"{where}:"] if where else []), *told, *filter(None, [self.closing])])

    def as_dict(self) -> dict[str, object]:
        """The fields of the `--json` error document."""
        hint = " ".join(map(self._spelled, self.hint)) or None
        return {"error": str(self), "kind": self.kind, **asdict(self.place), "hint": hint, **self.details}

    def __reduce__(self) -> tuple[object, ...]:
        """Let another process make the same error, whatever the arguments of its class."""
        return _made, (type(self), self.args), self.__dict__

    def _spelled(self, text: str) -> str:
        def spell(marked: re.Match[str]) -> str:
            in_shell = f"--{marked[1].replace('_', '-')}{' ' if marked[2] else ''}"
            return f"{marked[1]}=" if self.for_python else in_shell

        return _MARKED.sub(spell, text)


def _made(kind: type[SeqcastError], arguments: tuple[object, ...]) -> SeqcastError:
    """An error that has no attributes yet."""
    return kind.__new__(kind, *arguments)


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


NOTHING_KEPT = "Nothing is kept: start it again."
"""Hint about work that has no state to save."""


class StoppedError(SeqcastError):
    """A signal asked training to end; the state was saved before this was raised."""

    kind = "stopped"

    def __init__(self, signal_number: int, hint: str) -> None:
        self.exit_code = 128 + signal_number
        super().__init__(f"Stopped by {signal.Signals(signal_number).name}.", hint=hint)
