"""Files: written whole or not at all, read only when they are plain files of bounded size, locked by one writer.

A temporary file beside the target is written, flushed to the disk and renamed over it, so that a process killed at
any instant leaves the old file or the new one.
"""

import errno
import hashlib
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from seqcast.errors import Place, RunError, SeqcastError, option

LOCK_NAME = ".lock"
"""The lock file of a directory; it holds the process id and the host of its newest writer."""

_TEMPORARY = re.compile(r"\.seqcast-[0-9a-f]{16}\.tmp")

_HINTS = {
    errno.ENOSPC: "Free space on that disk, or choose another place.",
    errno.EDQUOT: "Free space within your quota, or choose another place.",
    errno.EFBIG: "The limit on file sizes is too low; raise it (`ulimit -f`), or choose another place.",
    errno.EACCES: "Change its permissions, or choose another place.",
    errno.EPERM: "Change its permissions, or choose another place.",
    errno.EROFS: "That file system is read-only; choose another place.",
    errno.ENOENT: "Create its folder first, or choose another place.",
    errno.ENOTDIR: "A part of the path is a file; choose another place.",
}


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by a file that holds `data`; on any failure the old file stays as it was.

    A link at `path` is replaced, never followed, so a run directory cannot direct a write elsewhere.

    Raises:
        RunError: The file cannot be written, or `path` is a folder or a device.
    """
    with _replacing(path, RunError) as file:
        file.write(data)


@contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file the user named for writing; it replaces `path` when the block ends without an exception.

    Links are followed, and devices and pipes are written directly.

    Raises:
        SeqcastError: The file cannot be written, or `path` is a folder.
    """
    path, direct = _resolved(path)
    if direct:
        with _failures_named(path, SeqcastError), path.open("wb") as file:
            yield file
    else:
        with _replacing(path, SeqcastError) as file:
            yield file


def require_place(path: Path) -> None:
    """Check, before the work for it begins, that there is a place for a file the user named.

    Raises:
        SeqcastError: Its folder is not there, or `path` is a folder.
    """
    path, direct = _resolved(path)
    if not path.parent.is_dir():
        reason = errno.ENOTDIR if path.parent.exists() else errno.ENOENT
        told = f"cannot be written: {os.strerror(reason)}."
        raise SeqcastError(told, place=Place(file=str(path)), hint=_HINTS[reason])
    if not direct:
        refuse_special(path, SeqcastError)


def _resolved(path: Path) -> tuple[Path, bool]:
    """The path without links, and whether it is that of a device or a pipe, which is written directly."""
    try:
        path = path.resolve()
        return path, path.exists() and not (path.is_file() or path.is_dir())
    except (OSError, RuntimeError) as error:  # before Python 3.13 a loop of links is a RuntimeError
        raise SeqcastError(f"cannot be written: {error}.", place=Place(file=str(path))) from None


@contextmanager
def _replacing(path: Path, kind: type[SeqcastError]) -> Iterator[BinaryIO]:
    # The temporary name does not contain the target's, which may already have the greatest length allowed.
    temporary = path.parent / f".seqcast-{secrets.token_hex(8)}.tmp"
    try:
        with _failures_named(path, kind, temporary):
            refuse_special(path, kind)
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _flush_directory(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def _failures_named(path: Path, kind: type[SeqcastError], temporary: Path | None = None) -> Iterator[None]:
    """Turn disk errors about `path` into errors of `kind`; errors about other files pass through."""
    before = _identity(path)
    try:
        yield
    except OSError as error:
        if error.filename is not None and str(error.filename) not in {str(path), str(path.parent), str(temporary)}:
            raise
        reason = error.strerror or str(error)
        if temporary is None:
            outcome = "what was written of it is incomplete"
        elif before is None:
            outcome = "no such file was made"
        elif _identity(path) == before:
            outcome = "the old file is intact"
        else:
            outcome = "the new file is complete, but may not survive a power failure"
        place = Place(file=str(path))
        raise kind(f"cannot be written: {reason}; {outcome}.", place=place, hint=_HINTS.get(error.errno or 0)) from None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def refuse_special(path: Path, kind: type[SeqcastError]) -> None:
    """Raise `kind` if a folder, a pipe or a device has the name of the file; a link is allowed."""
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise kind(f"cannot be written: it is {_describe(mode)}, not a plain file.", place=Place(file=str(path)))


def _flush_directory(directory: Path) -> None:
    """Make a rename in `directory` survive a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """Read a plain file of at most `max_bytes`, once; refuse links, devices and pipes without reading them.

    Raises:
        RunError: The file is absent, unreadable, not a plain file, or too large.
    """
    with open_regular_file(path, max_bytes) as (file, size):
        data = file.read(size + 1)
        if len(data) != size:
            hint = "Try again when nothing writes to it."
            raise RunError("changed while it was read.", place=Place(file=str(path)), hint=hint)
        return data


def fingerprint_regular_file(path: Path, max_bytes: int) -> str:
    """Return the SHA-256 of a plain file as `read_regular_file` reads it, in memory that does not grow with it.

    Raises:
        RunError: The file is absent, unreadable, not a plain file, or too large.
    """
    with open_regular_file(path, max_bytes) as (file, _):
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def open_regular_file(path: Path, max_bytes: int) -> Iterator[tuple[BufferedReader, int]]:
    """Open a plain file of at most `max_bytes` for reading; yield it and its size in bytes.

    Raises:
        RunError: The file is absent, unreadable, not a plain file, or too large.
    """
    place = Place(file=str(path))
    try:
        # Without O_NONBLOCK opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise RunError(f"is {_describe(status.st_mode)}, not a plain file.", place=place)
        with open(descriptor, "rb") as file:  # noqa: PTH123 (a Path cannot open a descriptor)
            if status.st_size > max_bytes:
                raise RunError(f"is too large: {status.st_size:,} bytes, at most {max_bytes:,} allowed.", place=place)
            yield file, status.st_size
    except OSError as error:
        known = {errno.ELOOP: "is a symbolic link, not a plain file", errno.ENOENT: "there is no such file"}
        reason = known.get(error.errno or 0, f"cannot be read: {error.strerror}")
        raise RunError(f"{reason}.", place=place) from None


def _describe(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something special")


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


@contextmanager
def lock_directory(path: Path, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the one writer's lock of the directory `path` while the block runs; a killed holder frees it.

    Another holder is waited for at most `wait_seconds`. Temporary files that a killed writer left in the directory are
    removed. Readers need no lock.

    Raises:
        RunError: Another process holds the lock, or the directory is absent or cannot be written.
    """
    import filelock

    if not path.is_dir():
        raise RunError("there is no such directory.", place=Place(file=str(path)))
    file = path / LOCK_NAME
    require_own_lock(file)
    lock = filelock.FileLock(file, timeout=wait_seconds)
    try:
        lock.acquire()
    except filelock.Timeout:
        hint = f"Wait until it has ended, or choose another {option('run')}."
        raise RunError(f"is being written by {_holder(file)}.", place=Place(file=str(path)), hint=hint) from None
    except OSError as error:
        reason, place = error.strerror or str(error), Place(file=str(path))
        raise RunError(f"cannot be locked: {reason}.", place=place, hint=_HINTS.get(error.errno or 0)) from None
    try:
        with _failures_named(path, RunError):
            # Written in place: the lock belongs to this very file, so a new one must not take its name.
            file.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
            for name in filter(is_left_temporary, os.listdir(path)):  # noqa: PTH208 (names alone, whatever they point to)
                with suppress(OSError):  # a folder of that name is not ours
                    (path / name).unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def require_own_lock(file: Path) -> None:
    """Refuse a link or a hard link, through which locking would write to another file.

    Raises:
        RunError: There is one.
    """
    with suppress(OSError):  # absent or unreadable, which locking will report
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            kind = "has another name elsewhere" if stat.S_ISREG(status.st_mode) else f"is {_describe(status.st_mode)}"
            hint = f"Remove it, or choose another {option('run')}."
            raise RunError(f"cannot be locked: it {kind}.", place=Place(file=str(file)), hint=hint)


def _holder(file: Path) -> str:
    """Return who wrote the lock file. Its content is not trusted: only short plain text is repeated."""
    try:
        content = read_regular_file(file, max_bytes=400).decode("utf-8")
    except (RunError, UnicodeDecodeError):
        return "another process"
    match = re.fullmatch(r"(process \d{1,10} on [\w.-]{1,255})\n", content)
    return match[1] if match else "another process"


def is_left_temporary(name: str) -> bool:
    """Return whether a file has the name of a temporary file of this module."""
    return _TEMPORARY.fullmatch(name) is not None
