"""Whether the files of a run are those that were written: for `seqcast runs verify`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from seqcast.errors import RunError
from seqcast.run.directory import OWN_FILES, RunDirectory
from seqcast.run.record import CHECKPOINT_FILE, METRICS_FILE, RUN_FILE, RunRecord
from seqcast.storage import require_regular_file

State = Literal["intact", "damaged", "absent", "present"]
UNSIGNED = (RUN_FILE, CHECKPOINT_FILE, METRICS_FILE)
"""Files that change while training and so have no checksum in run.json."""


@dataclass(frozen=True)
class FileState:
    """One file of a run."""

    name: str
    state: State
    """`present` where there is no checksum to compare with."""
    detail: str


def verify_run(directory: RunDirectory) -> tuple[FileState, ...]:
    """Compare every file with its checksum in run.json.

    A checksum finds damage, not forgery: whoever changes a file can change run.json too.

    Raises:
        RunError: run.json itself is absent or damaged.
    """
    record = directory.read_record()
    return tuple(_state(directory, name, record) for name in OWN_FILES)


def _state(directory: RunDirectory, name: str, record: RunRecord) -> FileState:
    path, has_checksum = directory.path / name, name in record.files
    if not os.path.lexists(path):
        wanted = has_checksum or name == RUN_FILE
        return FileState(name, "absent", "named in run.json, but not there" if wanted else "not written")
    try:
        if has_checksum:
            directory.verify(name, record)
        else:
            require_regular_file(path)
    except RunError as error:
        return FileState(name, "damaged", str(error))
    if has_checksum:
        return FileState(name, "intact", "checksum agrees")
    return FileState(name, "present", "agrees with itself" if name == RUN_FILE else "has no checksum in run.json")
