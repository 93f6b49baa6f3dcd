"""Tables of hazards, and the check that a command meets each one in order: bounded, in words, leaving nothing behind."""

import resource
import shlex
import time
import unicodedata
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.processes import FORKSERVER
from tests.reading.making_tables import rows
from tests.running import Ran, seqcast, wave

MOST_SECONDS = 20
HUGE = "99999999999999999999"


@dataclass(frozen=True)
class Outcome:
    """How `seqcast check` must end."""

    code: int
    warns: bool = False


DONE, WARNED, USAGE, DATA = Outcome(0), Outcome(0, warns=True), Outcome(2), Outcome(3)
Row = tuple[str, str | bytes, str, Outcome, str]
"""Name, table, options, outcome, and the words that must be printed, separated by dots."""


def each_of(*tables: Iterable[Row]) -> pytest.MarkDecorator:
    """Run a test with every row of the tables."""
    return pytest.mark.parametrize("hazard", [pytest.param(row, id=row[0]) for table in tables for row in table])


def meet(hazard: Row, folder: Path, file: str = "data.csv") -> None:
    """Run `seqcast check` on the table of a hazard and compare with what must happen."""
    _, content, options, outcome, words = hazard
    (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)
    ran = orderly("check", folder / file, *shlex.split(options))
    expect(ran, outcome.code, words.split(" ... "))
    assert sorted(path.name for path in folder.iterdir()) == [file]
    if outcome.code == 0:
        assert ("warning: " in ran.err) == outcome.warns, ran.err


def orderly(*words: object, stdin: bytes = b"") -> Ran:
    """Run a command and require what holds for every command: bounded time and no control characters."""
    started = time.perf_counter()
    ran = seqcast(*words, stdin=stdin)
    assert time.perf_counter() - started < MOST_SECONDS
    for character in ran.out + ran.err:
        assert character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"), repr(character)
    return ran


def measured(*words: object) -> tuple[Ran, float]:
    """Run a command in a new process; return what it left and the MiB by which it raised the peak of its memory."""
    with ProcessPoolExecutor(1, mp_context=FORKSERVER) as pool:
        return pool.submit(_measure, words).result()


def _measure(words: Sequence[object]) -> tuple[Ran, float]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ran = orderly(*words)
    return ran, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def expect(ran: Ran, code: int, words: Iterable[str]) -> None:
    """Require an exit code and words on the streams, wherever lines were broken; an error is one line."""
    assert ran.code == code, f"exit code {ran.code}: {ran.err}"
    said = " ".join((ran.err + ran.out).split())
    for word in words:
        assert word in said, f"{word!r} is not in: {said}"
    if code:
        assert ran.out == ""
        assert ran.err.splitlines()[-1].startswith("error: ")


def dates(num_rows: int, start: str = "2024-01-01", step: str = "D", every: int = 1) -> list[str]:
    """Regular times from a start."""
    unit = "M" if step == "M" else "s" if step in "hms" else step
    origin = np.datetime64(start, "M" if step == "M" else "s")
    times = origin + np.arange(num_rows) * np.timedelta64(every, step)
    shown = times.astype("datetime64[D]") if unit in "DMW" else times
    return [str(each).replace("T", " ") for each in shown]


def lines(num_rows: int, start: str = "2024-01-01", step: str = "D") -> list[str]:
    """Rows of ds,y."""
    return [f"{day},{value}" for day, value in zip(dates(num_rows, start, step), wave(num_rows), strict=True)]


def daily(num_rows: int = 61, changes: dict[int, str] | None = None) -> str:
    """A daily table ds,y whose given file lines (the header is line 1) are replaced."""
    body = lines(num_rows)
    for line, text in (changes or {}).items():
        body[line - 2] = text
    return rows("ds,y", body)


def values(changes: dict[int, str], num_rows: int = 61) -> str:
    """A daily table ds,y in which y is replaced on the given file lines."""
    every = dates(num_rows)
    return daily(num_rows, {line: f"{every[line - 2]},{text}" for line, text in changes.items()})


def timed(times: Sequence[str], header: str = "ds,y") -> str:
    """A table of the given times."""
    return rows(header, [f"{moment},{value}" for moment, value in zip(times, wave(len(times)), strict=True)])


def panel(names: Sequence[str], num_rows: int = 41, header: str = "unique_id,ds,y") -> str:
    """A long table with these series, written as they are."""
    return rows(header, [f"{name},{line}" for name in names for line in lines(num_rows)])
