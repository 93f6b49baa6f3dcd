"""Finds the files of a table: one file, all of a folder, or those that fit a pattern, and the keys in their paths."""

import glob
import os
import re
import stat
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from urllib.parse import unquote

from seqcast.errors import DataError, Place
from seqcast.panel.wording import name_list, quoted
from seqcast.reading.source import Content, read_content

_KEY = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""What Hive writes for a key without a value."""
LARGE_FILE = 2**24
"""Bytes from which on a single Parquet file is read as a data set is: in groups of series, or as a whole."""
_IGNORED = (".", "_")
"""Beginnings of names that pyarrow leaves out of a data set: hidden files, and those of jobs that are running."""
MOST_FILES = 100_000
"""Most files of a table; a folder such as `/`, given by mistake or named by a stranger's run, has more."""


@dataclass(frozen=True)
class TableFile:
    """One of the files of a table, and the values of the keys in its path."""

    name: str
    keys: tuple[tuple[str, str | None], ...] = ()
    """Name and value of each folder `name=value` above it, outermost first; None where there is no value."""

    def read(self) -> Content:
        """Reads the file.

        Raises:
            DataError: It is gone or cannot be read.
        """
        self.require_there()
        return read_content(self.name)

    def require_there(self) -> None:
        """Raises if the file is gone.

        Raises:
            DataError: Tells that it was there when the folder was listed.
        """
        if not os.path.lexists(self.name):
            hint = "Try again when nothing writes to the folder."
            raise DataError("the file was removed while the table was read.", place=Place(self.name), hint=hint)


@dataclass(frozen=True)
class TableFiles:
    """The files whose rows make one table, in the order of their paths."""

    name: str
    """The folder or the pattern as the user gave it."""
    files: tuple[TableFile, ...]

    @property
    def is_one_file(self) -> bool:
        """Whether the table was named as a file, not as a folder or a pattern."""
        return len(self.files) == 1 and self.files[0].name == self.name

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the keys in the paths."""
        return tuple(key for key, _ in self.files[0].keys)


def open_table(source: str | Path) -> Content | TableFiles:
    """Reads a file, or standard input for `-`; lists the files of a folder or of a pattern such as `sales/*.csv`.

    A large Parquet file is not read here, but is a table of one file.

    Raises:
        DataError: There is no such file, no file in the folder, or something in it that is not a plain file.
    """
    name = str(source)
    try:
        if Path(name).is_dir():
            return _in_folder(name)
        if glob.has_magic(name) and not Path(name).exists():
            return _fitting(name)
        if is_large_parquet(name):
            return TableFiles(name, (TableFile(name),))
    except (OSError, ValueError):  # which reading it as one file reports
        pass
    return read_content(name)


def is_large_parquet(name: str) -> bool:
    """Returns whether a name is that of a plain Parquet file of `LARGE_FILE` bytes or more.

    Raises:
        OSError, ValueError: It cannot be read.
    """
    path = Path(name)
    if not path.is_file() or path.stat().st_size < LARGE_FILE:
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def is_table(name: str) -> bool:
    """Returns whether a name is that of a plain file, a folder, or a pattern that fits something."""
    try:
        path = Path(name)
        return path.is_file() or path.is_dir() or (glob.has_magic(name) and bool(_matches(name)))
    except (OSError, ValueError):
        return False


def _in_folder(name: str) -> TableFiles:
    paths = list(_plain_files(Path(name)))
    if not paths:
        raise DataError("there are no files in the folder.", place=Place(name), hint="Name another, or a file.")
    return _with_keys(name, Path(name), paths)


def _fitting(pattern: str) -> TableFiles:
    """Lists the files that fit a pattern and those in folders that do; links that fit are followed."""
    base = Path(*_before_magic(PurePath(pattern)))
    paths: list[Path] = []
    for each in _matches(pattern):
        if _is_ignored(each.relative_to(base)):
            continue
        if each.is_dir():
            # With `**` both a folder and the files in it fit.
            paths += _plain_files(each) if "**" not in pattern else ()
        else:
            _require_plain(each, each.stat().st_mode)
            paths.append(each)
    if not paths:
        raise DataError("no file fits this pattern.", place=Place(pattern), hint="Name a file, a folder or a pattern.")
    return _with_keys(pattern, base, paths)


def _matches(pattern: str) -> list[Path]:
    # Path.glob takes no absolute pattern.
    found = [Path(each) for each in islice(glob.iglob(pattern, recursive=True), MOST_FILES + 1)]  # noqa: PTH207
    _require_not_too_many(found, pattern)
    return found


def _before_magic(pattern: PurePath) -> list[str]:
    parts = []
    for part in pattern.parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return parts


def _plain_files(folder: Path) -> list[Path]:
    """Returns the files of a folder and its folders; a link in it could lead anywhere, or give rows twice."""
    found = []
    for place, folders, files in os.walk(folder, onerror=_refuse_closed):
        folders[:] = [each for each in folders if not each.startswith(_IGNORED)]
        for each in (*folders, *files):
            path = Path(place, each)
            if each.startswith(_IGNORED):
                continue
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise DataError(
                    "this is a link, and links in a folder are not followed.",
                    place=Place(str(path)),
                    hint=f"Give a pattern that it fits, such as {str(Path(place, '*'))!r}, or the folder it leads to.",
                )
            if not stat.S_ISDIR(mode):
                _require_plain(path, mode)
                found.append(path)
        _require_not_too_many(found, str(folder))
    return found


def _require_not_too_many(found: list[Path], name: str) -> None:
    if len(found) > MOST_FILES:
        raise DataError(f"there are more than {MOST_FILES:,} files.", place=Place(name), hint="Name a part of them.")


def _refuse_closed(error: OSError) -> None:
    reason = (error.strerror or str(error)).lower()
    raise DataError(f"the folder cannot be read: {reason}.", place=Place(str(error.filename)))


def _require_plain(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise DataError("this is not a plain file.", place=Place(str(path)), hint="Take it out of the folder.")


def _is_ignored(relative: PurePath) -> bool:
    return any(part.startswith(_IGNORED) for part in relative.parts)


def _with_keys(name: str, base: Path, paths: list[Path]) -> TableFiles:
    ordered = sorted(paths, key=lambda path: path.relative_to(base).parts)
    files = tuple(TableFile(str(path), _keys_in(path.relative_to(base).parent)) for path in ordered)
    names = [[key for key, _ in file.keys] for file in files]
    odd = next((i for i, each in enumerate(names) if each != names[0]), None)
    if odd is not None:
        found = f"has the keys {name_list(names[odd])}" if names[odd] else "has no key"
        others = f"has {name_list(names[0])}" if names[0] else "has none"
        raise DataError(
            f"the path {found}; that of {files[0].name} {others}.",
            place=Place(files[odd].name),
            hint="All files of a table stand in folders of the same keys, such as store=7.",
        )
    if len(set(names[0])) < len(names[0]):
        twice = next(key for key in names[0] if names[0].count(key) > 1)
        raise DataError(f"the key {quoted(twice)} stands twice in the path.", place=Place(files[0].name))
    return TableFiles(name, files)


def _keys_in(folders: PurePath) -> tuple[tuple[str, str | None], ...]:
    matches = filter(None, map(_KEY.fullmatch, folders.parts))
    return tuple((unquote(each[1]), None if each[2] == _NO_VALUE else unquote(each[2])) for each in matches)
