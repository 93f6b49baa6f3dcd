"""Comparison of the files of a run with their checksums, for `seqcast runs verify`."""

import os
from dataclasses import dataclass
from typing import Literal

from seqcast.errors import RunError
from seqcast.run.directory import LARGEST_TENSORS, OWN_FILES, RunDirectory
from seqcast.run.record import (
    CHECKPOINT_FILE,
    CONFIG_FILE,
    LARGEST_RECORD,
    METRICS_FILE,
    MODEL_FILE,
    MOST_MARKS,
    RUN_FILE,
    SCALERS_FILE,
    RunRecord,
    has_own_checksum,
)
from seqcast.run.untrusted.bounded_json import parse_json
from seqcast.run.untrusted.state_file import check_state
from seqcast.storage import fingerprint_regular_file, open_regular_file, read_regular_file

LARGEST_CHECKPOINT = 3 * LARGEST_TENSORS
"""Room for five sets of one network's weights (newest, averaged, best, two moments) and two of each earlier member."""
LARGEST_METRICS = 16 * 2**20

State = Literal["intact", "damaged", "missing", "unchecked", "absent"]
"""`missing`: the run needs the file; `absent`: it was never written."""


@dataclass(frozen=True)
class FileState:
    """The state of one file of a run."""

    name: str
    state: State
    detail: str
    """The reason for the state."""

    @property
    def is_good(self) -> bool:
        return self.state not in ("damaged", "missing")


def verify_run(directory: RunDirectory) -> tuple[FileState, ...]:
    """Compare every file with its checksum, which is in run.json or in the file itself.

    A checksum finds damage, not forgery: whoever changes a file can change run.json too.

    Raises:
        RunError: run.json itself is absent or damaged.
    """
    record = directory.read_record()
    return tuple(_state(directory, name, record) for name in OWN_FILES)


def _state(directory: RunDirectory, name: str, record: RunRecord) -> FileState:
    if not os.path.lexists(directory.path / name):
        reason = _reason_to_be(name, record)
        return FileState(name, "missing" if reason else "absent", reason or "not written")
    try:
        return FileState(name, *_check(directory, name, record))
    except RunError as error:
        return FileState(name, "damaged", str(error))
    except ValueError as error:
        return FileState(name, "damaged", f"{directory.path / name}: damaged: {error}.")


def _reason_to_be(name: str, record: RunRecord) -> str:
    """Return why a file must exist, or an empty text if it need not."""
    if name in record.files or name in (CONFIG_FILE, SCALERS_FILE):
        return "a run needs it, but it is not there"
    if name == CHECKPOINT_FILE and record.status == "stopped":
        return "the run was stopped with its state saved, but it is not there"
    return ""


def _check(directory: RunDirectory, name: str, record: RunRecord) -> tuple[State, str]:
    """Return the state of an existing file, and the reason; raises a RunError or a ValueError if it is damaged."""
    file = directory.path / name
    if name == RUN_FILE:
        if has_own_checksum(read_regular_file(file, LARGEST_RECORD), RUN_FILE):
            return "intact", "its own checksum agrees"
        return "unchecked", "its own checksum was taken out"
    if name == CHECKPOINT_FILE:
        with open_regular_file(file, LARGEST_CHECKPOINT) as (opened, num_bytes):
            check_state(opened, num_bytes)
        return "intact", "its own checksum agrees"
    if name == METRICS_FILE:
        validations = [parse_json(line, MOST_MARKS) for line in read_regular_file(file, LARGEST_METRICS).splitlines()]
        return "unchecked", f"it has no checksum; its {len(validations)} lines can be read"
    if name == MODEL_FILE and name not in record.files:
        return "unchecked", "training has not ended, so no checksum of it is known"
    directory.require_checksum(name, record, fingerprint_regular_file(file, LARGEST_TENSORS))
    return "intact", f"its checksum in {RUN_FILE} agrees"
