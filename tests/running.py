"""Commands run as a shell would run them, but in the test's own process, and small tables for them."""

import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import typer

from seqcast.cli import app
from seqcast.cli.progress import TrainingProgress
from seqcast.config import Format
from seqcast.output import Destination, write_tables
from seqcast.storage import LOCK_NAME

HORIZON, CONTEXT = 5, 23
TINY = (
    *("--horizon", str(HORIZON), "--context", str(CONTEXT), "--hidden", "7"),
    *("--location", "last", "--no-refit", "--max-steps", "3"),
)
"""Options of a training run that takes a fraction of a second; all sizes are different primes. A refit takes a quarter
of such a run; those that many tests read have one."""
COMMAND = typer.main.get_command(app.command_line())
"""The command, built once because building takes longer than most commands under test."""


@dataclass(frozen=True)
class Ran:
    """The exit code and the two streams of a command."""

    code: int
    out: str
    err: str
    out_bytes: bytes

    def document(self) -> Any:
        """Return the JSON document on stdout; anything else there is an error."""
        return json.loads(self.out)

    def table(self) -> pd.DataFrame:
        """Return the CSV table on stdout."""
        return pd.read_csv(io.StringIO(self.out))


@dataclass(frozen=True)
class Trained:
    """A run, the table it was trained on, and the path of a future table, which some runs have."""

    data: Path
    run: Path

    @property
    def future(self) -> Path:
        return self.data.with_name("future.csv")

    def copied(self, folder: Path) -> Path:
        """Copy the run, so that a test may damage it."""
        return Path(shutil.copytree(self.run, folder / "copy"))


class Pipe(io.BytesIO):
    """A stream that can neither seek nor tell, like a pipe."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation


def seqcast(*words: object, stdin: bytes = b"") -> Ran:
    """Run `seqcast` with these words and require that it shows neither a traceback nor an escape code."""
    streams = {name: io.TextIOWrapper(Pipe(), encoding="utf-8") for name in ("stdout", "stderr")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["seqcast", *map(str, words)])
        patch.setattr(app, "command_line", lambda _words: COMMAND)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as end:
            app.main()
    for stream in streams.values():
        stream.flush()
    out_bytes, err_bytes = (stream.buffer.getvalue() for stream in streams.values())  # type: ignore[attr-defined]
    ran = Ran(end.value.code or 0, out_bytes.decode("utf-8", "replace"), err_bytes.decode("utf-8"), out_bytes)
    assert "Traceback" not in ran.err
    assert "internal error" not in ran.err
    assert "\x1b" not in ran.err
    writes_data = "--output" in words or "--format" in words
    assert writes_data or b"\x1b" not in out_bytes
    return ran


def write_frame(frame: pd.DataFrame, destination: Destination, file_format: Format) -> None:
    """Writes a data frame as commands do."""
    write_tables([pa.Table.from_pandas(frame, preserve_index=False)], destination, file_format)


def interrupted(*words: object) -> Ran:
    """Runs `seqcast` with a SIGINT at the second step of its training."""
    steps: list[object] = []

    def interrupt_the_second_step(_self: TrainingProgress, progress: object) -> None:
        steps.append(progress)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingProgress, "show", interrupt_the_second_step)
        return seqcast(*words)


def done(*words: object, stdin: bytes = b"") -> Ran:
    """Run `seqcast` with these words and require that it succeeds."""
    ran = seqcast(*words, stdin=stdin)
    assert ran.code == 0, ran.err
    return ran


def refused(code: int, *words: object) -> str:
    """Run `seqcast` with these words, require this exit code and an empty stdout, and return the message."""
    ran = seqcast(*words)
    assert ran.code == code, ran.err
    assert ran.out == ""
    message = ran.err.splitlines()[-1]
    assert message.startswith("error: ")
    return message.removeprefix("error: ")


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of every file but the lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LOCK_NAME}


def hours(num_rows: int, start: str = "2024-01-01") -> list[str]:
    """Times an hour apart."""
    times = np.datetime64(start, "s") + np.arange(num_rows) * np.timedelta64(1, "h")
    return [str(time).replace("T", " ") for time in times]


def wave(num_rows: int, shift: int = 0) -> list[float]:
    """A daily wave with a ripple, so that no two hours of a day are alike."""
    steps = np.arange(num_rows) + shift
    values = 50 + 10 * np.sin(2 * np.pi * steps / 24) + (steps * 7) % 11
    return [float(value) for value in np.round(values, 3)]


def write_rows(path: Path, header: str, columns: Sequence[Sequence[object]]) -> Path:
    """A CSV file with these columns."""
    lines = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def write_hourly(path: Path, num_rows: int = 131) -> Path:
    """One hourly series under ds,y."""
    return write_rows(path, "ds,y", [hours(num_rows), wave(num_rows)])


def write_panel(path: Path, lengths: dict[str, int], regions: Sequence[str] = ("north", "south")) -> Path:
    """A long table of hourly series with a known covariate `promo` and a static one `region`."""
    rows: list[tuple[object, ...]] = []
    for index, (name, length) in enumerate(lengths.items()):
        promo = [(step + index) % 3 for step in range(length)]
        region = [regions[index % len(regions)]] * length
        rows += zip([name] * length, hours(length), wave(length, 5 * index), promo, region, strict=True)
    return write_rows(path, "unique_id,ds,y,promo,region", list(zip(*rows, strict=True)))


def write_future(path: Path, lengths: dict[str, int], num_steps: int) -> Path:
    """The known covariate of `write_panel` for the steps after the end of each series."""
    rows: list[tuple[object, ...]] = []
    for name, length in lengths.items():
        ahead = hours(length + num_steps)[length:]
        rows += zip([name] * num_steps, ahead, [step % 3 for step in range(num_steps)], strict=True)
    return write_rows(path, "unique_id,ds,promo", list(zip(*rows, strict=True)))
