"""Disks that are full, and processes that are killed, at every single file operation."""

from __future__ import annotations

import errno
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import pytest

from seqcast.run.directory import RunDirectory
from seqcast.run.verification import verify_run
from tests.processes import started
from tests.reliability.attacks import change_record
from tests.reliability.conftest import SMALL
from tests.reliability.hazards import daily, orderly
from tests.running import Ran, Trained, contents, done

MOST_CALLS = 400
QUICK = (*SMALL, "--max-steps", "2", "--no-lag-bias", "--loss", "mae")
"""Options of a training that writes all files, and some more than once, and computes next to nothing."""


class Disk:
    """Fails at the n-th file operation, counted over all kinds, and counts them."""

    def __init__(self, fail_at: int) -> None:
        self.fail_at, self.calls = fail_at, 0

    def count(self, path: object) -> None:
        self.calls += 1
        if self.calls == self.fail_at:
            name = None if isinstance(path, int) else os.fspath(path)  # type: ignore[call-overload]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)


class FailingFile:
    """A file whose writes are counted."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self.file, self.disk = file, disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> FailingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: Any) -> Any:
        self.disk.count(self.file.fileno())
        return self.file.write(data)


@contextmanager
def failing(fail_at: int, folder: Path) -> Iterator[Disk]:
    """A disk on which writing below `folder` fails once."""
    disk = Disk(fail_at)

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if isinstance(path, int) or str(path).startswith(str(folder)):
                disk.count(path)
            return original(path, *arguments, **options)

        return call

    plain_open = Path.open

    def open_file(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if not str(path).startswith(str(folder)) or mode.startswith("r"):
            return plain_open(path, mode, *arguments, **options)
        disk.count(path)
        return FailingFile(plain_open(path, mode, *arguments, **options), disk)

    plain_os_open = os.open

    def open_descriptor(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if str(path).startswith(str(folder)) and flags & (os.O_CREAT | os.O_DIRECTORY):
            disk.count(path)
        return plain_os_open(path, flags, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", open_descriptor)
        for name in ("fsync", "replace", "mkdir", "unlink"):
            patch.setattr(os, name, counted(getattr(os, name)))
        patch.setattr(Path, "open", open_file)
        yield disk


def every_fault(
    run: Callable[[], Ran], folder: Path, before: Callable[[], object], check: Callable[[Ran], None]
) -> int:
    """Repeat a command with a disk that is full at its 1st, 2nd, ... file operation, until it meets none."""
    for number in range(1, MOST_CALLS):
        before()
        with failing(number, folder) as disk:
            ran = run()
        if disk.calls < number:
            assert ran.code == 0, ran.err
            return number - 1
        check(ran)
    raise AssertionError("the command never ended")


def require_free(run: Path) -> None:
    """Require that the lock is free and no temporary file is left."""
    with filelock.FileLock(run / ".lock", timeout=0):
        pass
    assert not list(run.glob(".seqcast-*"))


def require_whole(run: Path) -> None:
    """Require that every file whose checksum is in run.json is as it was written."""
    if (run / "run.json").exists():
        assert all(state.state != "damaged" for state in verify_run(RunDirectory(run)))


def require_words(ran: Ran) -> None:
    if ran.code:
        assert ran.code in (1, 4), ran.err
        last = ran.err.splitlines()[-1]
        assert last.startswith("error: ")
        assert "No space left on device" in last


def test_a_full_disk_at_any_moment_of_training_leaves_whole_files(tmp_path: Path) -> None:
    data, run = tmp_path / "d.csv", tmp_path / "run"
    data.write_text(daily())

    def check(ran: Ran) -> None:
        require_words(ran)
        if run.exists():
            require_free(run)
            require_whole(run)

    def again() -> None:
        for path in run.iterdir() if run.exists() else ():
            path.unlink()

    calls = every_fault(lambda: orderly("train", data, *QUICK, "--run", run), run, again, check)
    assert calls > 20


def test_a_full_disk_at_any_moment_of_a_resume_keeps_a_state_to_resume_from(single: Trained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("train", single.data, *QUICK, "--run", run)
    honest = (run / "model.safetensors").read_bytes()
    change_record(run, lambda record: record.update(status="stopped"))
    old = contents(run)
    resumed: list[dict[str, bytes]] = []

    def restore() -> None:
        for name, data in old.items():
            (run / name).write_bytes(data)

    def check(ran: Ran) -> None:
        require_words(ran)
        require_free(run)
        if ran.code:
            assert (run / "checkpoint.safetensors").read_bytes() == old["checkpoint.safetensors"]
            left = contents(run)
            if left in resumed:
                return
            resumed.append(left)
            done(*command)
        assert (run / "model.safetensors").read_bytes() == honest

    command = ("train", single.data, *QUICK, "--run", run, "--resume")
    assert every_fault(lambda: orderly(*command), run, restore, check) > 10


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("predict", "out.csv"),
        ("predict", "out.parquet"),
        ("predict", "out.json"),
        ("inspect", "out.csv"),
        ("backtest", "out.csv"),
    ],
)
def test_a_full_disk_at_any_moment_of_writing_leaves_the_old_or_the_new_file(
    command: str, name: str, single: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    output = folder / name

    def old() -> None:
        output.write_bytes(b"old")

    def check(ran: Ran) -> None:
        require_words(ran)
        if ran.code:
            assert name in ran.err
        assert [path.name for path in folder.iterdir()] == [name]
        assert (output.read_bytes() == b"old") == ("the old file is intact" in ran.err)

    words = (command, "--run", single.run, "--output", output)
    assert every_fault(lambda: orderly(*words), folder, old, check) >= 4


def kill_and_resume(kills: int, folder: Path, single: Trained, dice: random.Random) -> None:
    """Kill training again and again, each time a little later, and resume it; nothing that was saved is lost."""
    run = folder / "run"
    options = (*SMALL[:-5], "--max-steps", "100", "--batch-size", "5", "-q", "--run", run)
    reached = 0
    for _ in range(kills):
        resume = ("--resume",) if (run / "run.json").exists() else ()
        with started(folder, "train", single.data, *options, *resume) as process:
            # A kill before the first file is written proves little: begin when the lock is taken.
            process.wait_for(run / ".lock")
            process.wait(dice.uniform(0.1, 1.0))
            process.send(signal.SIGKILL)
            process.wait()
        if (run / "run.json").exists():
            require_whole(run)
            RunDirectory(run).read_record()
        if (run / "metrics.jsonl").exists():
            steps = len((run / "metrics.jsonl").read_text().splitlines())
            assert steps >= reached
            reached = steps
    done("train", single.data, *options, *(("--resume",) if (run / "run.json").exists() else ("--overwrite",)))
    assert not list(run.glob(".seqcast-*"))


@pytest.mark.slow
def test_a_killed_training_loses_nothing_that_was_saved(single: Trained, tmp_path: Path) -> None:
    kill_and_resume(1, tmp_path, single, random.Random(0))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_hundred_kills_lose_nothing_that_was_saved(single: Trained, tmp_path: Path) -> None:
    kill_and_resume(100, tmp_path, single, random.Random(1))
