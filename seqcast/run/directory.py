"""Run directories: finding, making, reading and writing them. No torch here, so `seqcast runs` answers at once."""

import difflib
import json
import os
import re
from dataclasses import asdict, dataclass, is_dataclass
from glob import has_magic
from pathlib import Path

from seqcast.config import Config, parse_config
from seqcast.errors import Place, RunError, UsageError, option
from seqcast.run.record import (
    CHECKPOINT_FILE,
    CONFIG_FILE,
    LARGEST_RECORD,
    METRICS_FILE,
    MODEL_FILE,
    RUN_FILE,
    SCALERS_FILE,
    RunRecord,
    dump_record,
    parse_record,
)
from seqcast.run.untrusted.bounded_toml import LARGEST_TOML, parse_toml
from seqcast.storage import (
    LOCK_NAME,
    is_left_temporary,
    lock_directory,
    read_regular_file,
    refuse_special,
    sha256_hex,
    write_atomically,
)

OWN_FILES = (RUN_FILE, CONFIG_FILE, MODEL_FILE, SCALERS_FILE, CHECKPOINT_FILE, METRICS_FILE)
RUNS_ROOT = Path("runs")
LARGEST_TENSORS = 4 * 2**30
LARGEST_METRICS = 64 * 2**20
LONGEST_SHOWN = 200
"""Number of letters shown of a path that is wrong itself."""


@dataclass(frozen=True)
class RunDirectory:
    """Reads and writes the files of one run directory."""

    path: Path

    def write_record(self, record: RunRecord) -> None:
        """Write run.json with a checksum of its content.

        Raises:
            RunError: It cannot be written, or would be too large to read back.
        """
        file = self.path / RUN_FILE
        write_atomically(file, dump_record(record, str(file)))

    def read_record(self) -> RunRecord:
        """Read and check run.json.

        Raises:
            RunError: It is absent, damaged, or has another format version.
        """
        if not self.has_record():
            near = difflib.get_close_matches(self.path.name, [run.path.name for run in list_runs()], 1, cutoff=0.75)
            hint = "`seqcast runs` lists the runs under runs/; `seqcast train DATA` makes one."
            hint = f"Did you mean {str(RUNS_ROOT / near[0])!r}?" if near else hint
            lacking = RUN_FILE if os.path.lexists(self.path) else "such folder"
            raise RunError(f"{self.path}: there is no seqcast run here (no {lacking}).", hint=hint)
        file = self.path / RUN_FILE
        return parse_record(read_regular_file(file, LARGEST_RECORD), str(file))

    def has_record(self) -> bool:
        """Return whether there is a run.json.

        Raises:
            RunError: The directory cannot be searched.
        """
        try:
            return (self.path / RUN_FILE).is_file()
        except OSError as error:
            raise _no_directory(self.path, error) from None

    def write_config(self, config: Config) -> str:
        """Write config.toml and return its sha256.

        Raises:
            RunError: It cannot be written, or would be too large to read back.
        """
        data = config.to_toml().encode()
        if len(data) > LARGEST_TOML:
            raise RunError(
                f"{self.path / CONFIG_FILE}: the names of the columns are too long to keep ({len(data):,} bytes).",
                hint="Give fewer columns, or shorter names.",
            )
        return self.write(CONFIG_FILE, data)

    def read_config(self, record: RunRecord) -> Config:
        """Read config.toml as it was written.

        Raises:
            RunError: It is absent, or its checksum is not the one in run.json.
        """
        text = self.read_verified(CONFIG_FILE, record, LARGEST_TOML)
        try:
            return parse_config(parse_toml(text), CONFIG_FILE)
        except (ValueError, UsageError) as error:
            raise RunError(f"{self.path / CONFIG_FILE}: damaged: {str(error).rstrip('.')}.") from None

    def write(self, name: str, data: bytes) -> str:
        """Write a file that run.json vouches for, and return its sha256."""
        write_atomically(self.path / name, data)
        return sha256_hex(data)

    def write_checkpoint(self, data: bytes) -> None:
        write_atomically(self.path / CHECKPOINT_FILE, data)

    def read_checkpoint(self, max_bytes: int) -> bytes:
        """Read checkpoint.safetensors, which may have at most `max_bytes`.

        Raises:
            RunError: There is none, or it is larger.
        """
        return read_regular_file(self.path / CHECKPOINT_FILE, max_bytes)

    def has_checkpoint(self) -> bool:
        """Return whether anything has the name of the checkpoint; reading it refuses all but a plain file."""
        return os.path.lexists(self.path / CHECKPOINT_FILE)

    def write_metrics(self, history: tuple[object, ...]) -> None:
        """Write metrics.jsonl, one line per validation record."""
        lines = [json.dumps(asdict(record)) + "\n" for record in history if is_dataclass(record)]  # type: ignore[arg-type]
        write_atomically(self.path / METRICS_FILE, "".join(lines).encode())

    def read_metrics(self) -> bytes:
        """Read metrics.jsonl, for which run.json does not vouch.

        Raises:
            RunError: There is none, or it is too large.
        """
        return read_regular_file(self.path / METRICS_FILE, LARGEST_METRICS)

    def read_verified(self, name: str, record: RunRecord, max_bytes: int) -> bytes:
        """Read a file whose checksum is in run.json.

        Raises:
            RunError: The file is absent, not a plain file, larger than `max_bytes`, or its checksum differs.
        """
        data = read_regular_file(self.path / name, max_bytes)
        self.require_checksum(name, record, sha256_hex(data))
        return data

    def require_writable(self) -> None:
        """Refuse to start if a file of the run could not be written at the end.

        Raises:
            RunError: A folder, pipe or device has the name of a file of the run.
        """
        for name in OWN_FILES:
            refuse_special(self.path / name, RunError)

    def require_checksum(self, name: str, record: RunRecord, found: str) -> None:
        """Compare the checksum that was found for a file with the one in run.json.

        Raises:
            RunError: They differ.
        """
        if record.files.get(name) != found:
            raise RunError(
                f"{self.path / name}: damaged: its checksum is not the one in {RUN_FILE}.",
                hint="Restore the directory from a copy, or train again.",
            )


def name_of_data(source: str) -> str:
    """Return the name of a table that its runs get: of its file or folder, or of the folder of its pattern."""
    path = Path(source)
    while has_magic(str(path)) and not path.exists():
        path = path.parent
    return (path.name or path.absolute().name).split(".")[0]


def choose_directory(run: Path | None, data_name: str, *, overwrite: bool, resume: bool) -> RunDirectory:
    """Return the directory a training run writes to, by default `runs/<data-stem>-<n>`; make it if needed.

    Raises:
        RunError: The directory holds something that would be lost, or there is nothing to resume.
    """
    if run is None:
        return newest_run() if resume else _make_numbered(data_name)
    if resume:
        directory = find_run(run)
        directory.read_record()
        return directory
    try:
        occupants = [path.name for path in run.iterdir()] if run.is_dir() else ["a file"] if run.exists() else []
    except (OSError, ValueError) as error:
        raise _no_directory(run, error) from None
    occupants = [name for name in occupants if name != LOCK_NAME and not is_left_temporary(name)]
    if occupants and not overwrite and RUN_FILE in occupants:
        raise RunError(
            f"{run}: there is a run here already.",
            hint=f"Give {option('resume')}, {option('overwrite')} or another {option('run')}.",
        )
    # Before run.json is written there is only what training begins with.
    is_ours = RUN_FILE in occupants or set(occupants) <= {CONFIG_FILE, SCALERS_FILE}
    if occupants and not (overwrite and is_ours):
        remedy = f"{option('overwrite')} or another" if is_ours else "another"
        raise RunError(f"{run}: it is not empty and holds no run.", hint=f"Give {remedy} {option('run')}.")
    if occupants:
        with lock_directory(run):  # never those of a run that is being trained
            for name in reversed(OWN_FILES):  # run.json last, so that a kill on the way leaves a run to overwrite
                (run / name).unlink(missing_ok=True)
    make_directory(run)
    return RunDirectory(run)


def find_run(run: Path, root: Path = RUNS_ROOT) -> RunDirectory:
    """Return the run at a path, or the run of that name under `root` if nothing is at that path.

    Raises:
        RunError: No directory can have such a name.
    """
    try:
        inside = root / run
        is_short = not run.exists() and len(run.parts) == 1 and (inside / RUN_FILE).is_file()
    except (OSError, ValueError) as error:
        raise _no_directory(run, error) from None
    return RunDirectory(inside if is_short else run)


def _no_directory(run: Path, error: OSError | ValueError) -> RunError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    place = Place(file=str(run)[:LONGEST_SHOWN])
    return RunError(f"cannot be used: {reason}.", place=place, hint=f"Give another {option('run')}.")


def _make_numbered(data_name: str) -> RunDirectory:
    """Make `runs/<data-stem>-<n>` with the first free n; making the directory claims it."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name_of_data(data_name)).strip("_")[:60] or "data"
    make_directory(RUNS_ROOT)
    for number in range(1, 1_000_000):
        path = RUNS_ROOT / f"{stem}-{number}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"{path}: cannot be made: {error.strerror}.") from None
        return RunDirectory(path)
    raise RunError(f"{RUNS_ROOT}: too many runs named {stem}.")


def make_directory(path: Path) -> None:
    """Make a directory unless it is there.

    Raises:
        RunError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except ValueError as error:
        raise _no_directory(path, error) from None
    except OSError as error:
        raise RunError(f"{path}: cannot be made: {error.strerror}.", hint=f"Give another {option('run')}.") from None


def list_runs(root: Path = RUNS_ROOT) -> list[RunDirectory]:
    """Return the run directories under `root`, the one whose record was written last first.

    Raises:
        RunError: `root` cannot be searched.
    """
    try:
        records = [path / RUN_FILE for path in root.iterdir() if _shows_record(path)] if root.is_dir() else []
    except OSError as error:
        raise _no_directory(root, error) from None
    return [
        RunDirectory(path.parent) for path in sorted(records, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    ]


def _shows_record(path: Path) -> bool:
    try:
        return RunDirectory(path).has_record()
    except RunError:  # it belongs to somebody else
        return False


def newest_run(root: Path = RUNS_ROOT) -> RunDirectory:
    """Return the run a command uses when none is named.

    Raises:
        RunError: There is none.
    """
    runs = list_runs(root)
    if not runs:
        raise RunError(
            f"there is no run under {root}/.",
            hint=f"Train one with `seqcast train DATA`, or name one with {option('run')}.",
        )
    return runs[0]


def newest_finished_run(root: Path = RUNS_ROOT) -> RunDirectory:
    """Return the newest finished run, or the newest of all if none is finished, so that the error tells its state.

    Raises:
        RunError: There is no run.
    """
    for directory in list_runs(root):
        try:
            if directory.read_record().status == "finished":
                return directory
        except RunError:
            continue
    return newest_run(root)
