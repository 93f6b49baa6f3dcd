"""What a table of hazards is made of, and how one is met: through the command, with nothing left behind."""

from __future__ import annotations

import resource
import time
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.running import Ran, seqcast, wave

MOST_SECONDS = 20
MOST_MIB = 500
"""By which a command may raise the peak of the process."""


@dataclass(frozen=True)
class Hazard:
    """A table that something is odd about, and what must happen to it."""

    name: str
    content: str | bytes
    code: int
    words: tuple[str, ...]
    options: tuple[str, ...] = ()
    file: str = "data.csv"
    is_repaired: bool = False


def error(
    name: str, content: str | bytes, *words: str, options: Sequence[str] = (), file: str = "data.csv", code: int = 3
) -> Hazard:
    """E: refused with words."""
    return Hazard(name, content, code, words, tuple(options), file)


def repaired(
    name: str, content: str | bytes, *words: str, options: Sequence[str] = (), file: str = "data.csv"
) -> Hazard:
    """R: done, with a warning."""
    return Hazard(name, content, 0, words, tuple(options), file, is_repaired=True)


def works(name: str, content: str | bytes, *words: str, options: Sequence[str] = (), file: str = "data.csv") -> Hazard:
    """O: done."""
    return Hazard(name, content, 0, words, tuple(options), file)


def meet(hazard: Hazard, folder: Path) -> None:
    """Check the table of a hazard and compare with what must happen."""
    content = hazard.content.encode() if isinstance(hazard.content, str) else hazard.content
    (folder / hazard.file).write_bytes(content)
    ran = orderly("check", folder / hazard.file, *hazard.options)
    expect(ran, hazard.code, hazard.words)
    assert sorted(path.name for path in folder.iterdir()) == [hazard.file]
    if hazard.code == 0:
        assert ("warning: " in ran.err) == hazard.is_repaired, ran.err


def orderly(*words: object, stdin: bytes = b"") -> Ran:
    """Run a command and require what holds for every command: bounded time and memory, no control characters."""
    started, peak = time.perf_counter(), peak_mib()
    ran = seqcast(*words, stdin=stdin)
    assert time.perf_counter() - started < MOST_SECONDS
    assert peak_mib() - peak < MOST_MIB
    for character in ran.out + ran.err:
        assert character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"), repr(character)
    return ran


def peak_mib() -> float:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def expect(ran: Ran, code: int, words: Iterable[str]) -> None:
    """Require an exit code and words on the streams, wherever lines were broken; an error is one line."""
    assert ran.code == code, f"exit code {ran.code}: {ran.err}"
    said = " ".join((ran.err + ran.out).split())
    for word in words:
        assert word in said, f"{word!r} is not in: {said}"
    if code:
        assert ran.out == ""
        assert ran.err.splitlines()[-1].startswith("error: ")


def rows(header: str, lines: Iterable[str], end: str = "\n") -> str:
    """CSV text."""
    return end.join([header, *lines]) + end


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
