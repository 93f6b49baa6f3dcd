"""A folder of part files, each written whole or not at all, and not again while its input and the run are the same."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from seqcast.errors import Place, RunError, UsageError, option
from seqcast.storage import (
    LOCK_NAME,
    fingerprint_regular_file,
    is_left_temporary,
    lock_directory,
    read_regular_file,
    write_atomically,
)

MANIFEST_FILE = "_parts.json"
"""The list of the parts; readers of data sets leave out names that begin with an underscore."""
LARGEST_MANIFEST = 64 * 2**20
LARGEST_PART = 2**40


class Part(BaseModel):
    """A part file that was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    work: str
    """sha256 of all that makes the part from its input: the run and the options."""
    input: str
    """sha256 of the input."""
    output: str
    """sha256 of the file; empty until it is written."""


class _Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    parts: dict[str, Part] = {}


@dataclass(frozen=True)
class PartFolder:
    """A folder of part files that one process writes."""

    path: Path
    work: str
    parts: dict[str, Part] = field(default_factory=dict)
    """Parts that earlier calls or this one wrote, by the names of their files."""

    def holds(self, name: str, input_fingerprint: str) -> bool:
        """Returns whether the part is there, made by this work from this input, and as it was written."""
        part = self.parts.get(name)
        if part is None or (part.work, part.input) != (self.work, input_fingerprint):
            return False
        try:
            return fingerprint_regular_file(self.path / name, LARGEST_PART) == part.output
        except RunError:  # it was removed
            return False

    def expect(self, input_fingerprints: Mapping[str, str]) -> None:
        """Enters parts that will be written, so that what a killed command leaves is known as its own."""
        for name, fingerprint in input_fingerprints.items():
            self.parts[name] = Part(work=self.work, input=fingerprint, output="")
        self._write()

    def keep(self, name: str, input_fingerprint: str) -> None:
        """Enters a part whose file has been written."""
        output = fingerprint_regular_file(self.path / name, LARGEST_PART)
        self.parts[name] = Part(work=self.work, input=input_fingerprint, output=output)
        self._write()

    def remove_others(self, names: set[str]) -> None:
        """Removes the parts of earlier calls that are not among `names`."""
        for name in self.parts.keys() - names:
            (self.path / name).unlink(missing_ok=True)
            del self.parts[name]
        self._write()

    def _write(self) -> None:
        listed = {"version": 1, "parts": {name: part.model_dump() for name, part in sorted(self.parts.items())}}
        write_atomically(self.path / MANIFEST_FILE, json.dumps(listed, indent=1).encode())


@contextmanager
def part_folder(path: Path, work: str) -> Iterator[PartFolder]:
    """Opens or makes a folder of part files, and locks it for this process.

    Raises:
        UsageError: It holds files that are no parts.
        RunError: Another process writes to it, or its list of parts is damaged.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot be made: {error.strerror}.", place=Place(str(path))) from None
    with lock_directory(path):
        parts = _read(path / MANIFEST_FILE) if (path / MANIFEST_FILE).exists() else {}
        known = {MANIFEST_FILE, LOCK_NAME, *parts}
        strange = sorted(each.name for each in path.iterdir() if each.name not in known)
        strange = [name for name in strange if not is_left_temporary(name)]
        if strange:
            raise UsageError(
                f"the folder holds {strange[0]!r}, which is no part of a forecast.",
                place=Place(str(path)),
                hint=f"Give an empty folder as {option('output')}.",
            )
        yield PartFolder(path, work, parts)


def _read(file: Path) -> dict[str, Part]:
    try:
        found = _Manifest.model_validate_json(read_regular_file(file, LARGEST_MANIFEST))
    except ValidationError:
        raise RunError("the list of the parts is damaged.", place=Place(str(file)), hint="Remove it.") from None
    if any(Path(name).name != name for name in found.parts):
        raise RunError("the list of the parts names other folders.", place=Place(str(file)), hint="Remove it.")
    return dict(found.parts)
