"""The points that processes are trying now: each is held by a lock, which a killed process frees.

All functions but `Claim.leave` need the lock of the study's directory.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import filelock
from pydantic import TypeAdapter

from seqcast.errors import RunError
from seqcast.experiments.tuning.space import Value
from seqcast.run.untrusted.bounded_json import parse_json
from seqcast.storage import read_regular_file, require_own_lock, write_atomically

LARGEST_CLAIM = 2**16
_MOST_MARKS = 1000
_NAME = re.compile(r"\.running-\d{1,6}\.json")
_VALUES = TypeAdapter(dict[str, Value])


@dataclass(frozen=True)
class Claim:
    """A point that this process is trying."""

    file: Path
    values: dict[str, Value]
    lock: filelock.BaseFileLock

    def end(self) -> None:
        """Give the point up for good, because its outcome is kept."""
        self.file.unlink(missing_ok=True)
        self.lock.release()
        _lock_file(self.file).unlink(missing_ok=True)

    def leave(self) -> None:
        """Leave the point to whoever comes next."""
        self.lock.release()


def make_claim(directory: Path, values: dict[str, Value]) -> Claim:
    """Claim a new point.

    Raises:
        RunError: The claim cannot be written.
    """
    number = 1
    while (file := directory / f".running-{number}.json").exists():
        number += 1
    lock = _acquired(file)
    if lock is None:
        raise RunError(f"{_lock_file(file)}: cannot be locked.")
    write_atomically(file, json.dumps(values).encode())
    return Claim(file, values, lock)


def find_claims(directory: Path) -> tuple[Claim | None, list[dict[str, Value]]]:
    """Take over the first point whose process has ended, and list those that other processes are trying."""
    taken, held = None, []
    for file in sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name)):
        try:
            values = _VALUES.validate_python(parse_json(read_regular_file(file, LARGEST_CLAIM), _MOST_MARKS))
            lock = _acquired(file)
        except (ValueError, RunError):  # no claim of ours
            continue
        if lock is None:
            held.append(values)
        elif taken is None:
            taken = Claim(file, values, lock)
        else:
            lock.release()
    return taken, held


def _lock_file(file: Path) -> Path:
    return file.with_suffix(".lock")


def _acquired(file: Path) -> filelock.BaseFileLock | None:
    """The lock of a claim; None if another process has it.

    Raises:
        RunError: A link has its name.
    """
    require_own_lock(_lock_file(file))
    lock = filelock.FileLock(_lock_file(file), timeout=0)
    try:
        lock.acquire()
    except (filelock.Timeout, OSError):
        return None
    return lock
