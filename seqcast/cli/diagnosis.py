"""All problems of a table at once: each is kept, and read around with the option that its error names."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from seqcast.cli.settings import Settings
from seqcast.errors import DataError, Place, SeqcastError, UsageError, options_with_values

Read = TypeVar("Read")

MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Diagnosis(Generic[Read]):
    """The problems of a table, and what was read of it with the options that remedy them."""

    problems: tuple[SeqcastError, ...]
    settings: Settings
    """The given options and those that remedy problems."""
    result: Read | None
    """None where some problem has no option for a remedy."""

    def error(self, data: str) -> SeqcastError:
        """Return the one error that tells how many problems there are and which command would read the table."""
        command = None if self.result is None else command_line(data, self.settings)
        first, *others = self.problems
        error = first
        if others:
            error = type(first)(f"{len(self.problems)} problems in all.", place=Place(first.place.file))
            error.details = {"problems": [problem.as_dict() for problem in self.problems], "command": command}
            error.closing = "Correct them and check again, as they may hide more."
        if command is not None:
            error.closing = f"This command would read the table: {command}"
        return error


def diagnose(
    read: Callable[[Settings], Read], settings: Settings, single: Callable[[Settings], list[DataError]]
) -> Diagnosis[Read]:
    """Read a table; after every problem that an option remedies, read it again with that option.

    Args:
        read: Reads the table with some options.
        settings: The given options.
        single: Finds the problems of single columns, for tables that no option makes readable.
    """
    problems: list[SeqcastError] = []
    result, error = _attempt(read, settings)
    while error is not None:
        problems.append(error)
        told = {str(problem) for problem in problems}
        for changed in _remedied(error, settings) if len(problems) < MOST_PROBLEMS else ():
            result, following = _attempt(read, changed)
            if _is_better(following, told):
                settings, error = changed, following
                break
        else:
            found = [problem for problem in single(settings) if str(problem) not in told]
            return Diagnosis((*problems, *found), settings, None)
    return Diagnosis(tuple(problems), settings, result)


def _attempt(read: Callable[[Settings], Read], settings: Settings) -> tuple[Read | None, SeqcastError | None]:
    try:
        return read(settings), None
    except (DataError, UsageError) as error:
        return None, error


def _is_better(following: SeqcastError | None, told: set[str]) -> bool:
    """Whether an option led to another problem than before, and to none that it has made."""
    if following is None:
        return True
    return (
        isinstance(following, DataError)
        and str(following) not in told
        and "every value is missing" not in str(following)
    )


def _remedied(error: SeqcastError, settings: Settings) -> Iterator[Settings]:
    """The settings with each remedy that an error names."""
    if error.instead is not None:
        yield settings.with_column(*error.instead)
    if error.remedy is not None:
        yield settings.with_option(*error.remedy)
    for sentence in error.hint:
        for name, value in options_with_values(sentence):
            try:
                yield settings.with_option(name, shlex.split(value)[0])
            except (ValueError, IndexError):  # a quote in it is not closed
                continue


def command_line(data: str, settings: Settings) -> str:
    """The command that trains on a table with some options."""
    return shlex.join(["seqcast", "train", data, *settings.words()])
