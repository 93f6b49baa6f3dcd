"""Reads the bytes of a table: once, bounded, fingerprinted, decompressed, and recognised by their first bytes."""

import difflib
import errno
import hashlib
import stat
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Literal, cast

import pyarrow as pa

from seqcast.errors import DataError, Place

Bytes = bytes | bytearray
"""Bytes that are never changed once read; a bytearray lets a file of known size be read into place."""

STDIN = "-"
STDIN_NAME = "<stdin>"

MAX_STORED_BYTES = 16 * 2**30
MAX_EXPANSION = 200
"""Largest ratio of decompressed to stored bytes; text of numbers compresses about tenfold."""
_ALWAYS_EXPANDED = 64 * 2**20
_PIECE = 16 * 2**20

_COMPRESSIONS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_FOREIGN: dict[str, bytes | tuple[bytes, ...]] = {
    "a zip archive (Excel .xlsx files are such archives)": b"PK\x03\x04",
    "an empty zip archive": b"PK\x05\x06",
    "an old Excel workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "a PNG image": b"\x89PNG",
    "a JPEG image": b"\xff\xd8\xff",
    "a GIF image": b"GIF8",
    "a TIFF image": b"II*\0",
    "a picture, sound or film (RIFF)": b"RIFF",
    "a PDF document": b"%PDF",
    "a PostScript document": b"%!PS",
    "a Rich Text document": b"{\\rtf",
    "LaTeX": b"\\begin{",
    "a bzip2 file": b"BZh",
    "an xz file": b"\xfd7zXZ",
    "an lz4 file": b"\x04\x22\x4d\x18",
    "a zstd file with frames to skip": b"\x50\x2a\x4d\x18",
    "a snappy file": b"\xff\x06\0\0sNaPpY",
    "a 7z archive": b"7z\xbc\xaf",
    "a RAR archive": b"Rar!\x1a",
    "an HDF5 file": b"\x89HDF",
    "a NetCDF file": (b"CDF\x01", b"CDF\x02", b"CDF\x05"),
    "an Arrow (Feather) file": b"ARROW1",
    "an old Feather file": b"FEA1",
    "an Arrow stream": b"\xff\xff\xff\xff",
    "an encrypted Parquet file": b"PARE",
    "an Avro file": b"Obj\x01",
    "an ORC file": (b"ORC\x08", b"ORC\x0a", b"ORC\x12"),
    "an SQLite database": b"SQLite format 3",
    "a NumPy array": b"\x93NUMPY",
    "a MATLAB file": b"MATLAB 5.0",
    "an R data file": (b"RDX2\n", b"RDX3\n"),
    "a Stata file": b"<stata_dta>",
    "an SPSS file": b"$FL2@",
    "a Python pickle": (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
    "a program": (b"\x7fELF", b"MZ\x90\0"),
    "a script": b"#!",
    "a Git LFS pointer, not the data itself (run `git lfs pull`)": b"version https://git-lfs",
    "HTML": (b"<!DOCTYPE", b"<!doctype", b"<html", b"<HTML", b"<head", b"<body", b"<table", b"<div"),
    "XML": (b"<?xml", b"<svg", b"<!--"),
    "JSON": (b"{", b"[{", b"[[", b'["'),
}
"""First bytes of formats that are no tables; the first match counts."""
_ADDRESSES = ("http:/", "https:/", "ftp:/", "s3:/", "gs:/", "file:/")
"""Beginnings of addresses, with the one slash of two that `Path` keeps."""


@dataclass(frozen=True)
class Content:
    """The bytes of one table, decompressed."""

    name: str
    """Path as the user gave it, or `<stdin>`."""
    data: Bytes
    format: Literal["csv", "parquet"]
    fingerprint: Future[str]
    """sha256 of the bytes as stored; counted in the background while the table is parsed."""
    stored_bytes: int


def read_content(source: str | Path) -> Content:
    """Reads a file, or standard input for `-`.

    Raises:
        DataError: The source is absent, unreadable, empty, too large, damaged, or of a format that is not a table.
    """
    name = STDIN_NAME if str(source) == STDIN else str(source)
    stored, fingerprint = _read_stdin() if name == STDIN_NAME else _read_file(name)
    if not stored:
        raise DataError("the file is empty.", place=Place(name))
    compression = next((kind for magic, kind in _COMPRESSIONS if stored.startswith(magic)), None)
    data = stored if compression is None else _decompress(stored, compression, name)
    if compression is not None and any(data.startswith(magic) for magic, _ in _COMPRESSIONS):
        raise DataError("the file is compressed twice.", place=Place(name), hint="Decompress it once.")
    if data.startswith(b"PAR1"):
        return Content(name, data, "parquet", fingerprint, len(stored))
    _refuse_foreign(data, name)
    return Content(name, data, "csv", fingerprint, len(stored))


def _read_file(name: str) -> tuple[Bytes, Future[str]]:
    if "://" in name or name.startswith(_ADDRESSES):
        raise DataError("this is an address, not a file.", place=Place(name), hint="Download it first.")
    try:
        found = Path(name).stat()
        if stat.S_ISDIR(found.st_mode):
            raise DataError("this is a directory, not a file.", place=Place(name), hint="Name one file in it.")
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode)):
            raise DataError("this is a device, not a file.", place=Place(name))
        with Path(name).open("rb") as file:
            return _read_bounded(file, name, found.st_size)
    except FileNotFoundError:
        raise DataError(f"there is no such {_kind(name)}.", place=Place(name), hint=_near_file(name)) from None
    except (OSError, ValueError) as error:
        raise DataError(f"the file cannot be read: {_reason(error)}.", place=Place(name)) from None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return "its name holds a NUL character"
    if error.errno == errno.ELOOP:
        return "its symbolic links go round in a circle"
    return (error.strerror or str(error)).lower()


def _kind(name: str) -> str:
    """Returns in words what a name is meant for, as far as it shows that."""
    if name.endswith("/"):
        return "folder"
    return "file" if Path(name).suffix else "file or folder"


def _near_file(name: str) -> str | None:
    """Returns a hint that names a similar file of the same folder."""
    path = Path(name)
    try:
        others = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"There is no folder {str(path.parent)!r} either."
    close = difflib.get_close_matches(path.name, others, n=1, cutoff=0.75)
    return f"Did you mean {str(path.with_name(close[0]))!r}?" if close else None


def _read_stdin() -> tuple[Bytes, Future[str]]:
    if sys.stdin is None or sys.stdin.closed:
        raise DataError("standard input is closed.", place=Place(STDIN_NAME))
    if sys.stdin.isatty():
        raise DataError("nothing is piped in.", place=Place(STDIN_NAME), hint="Use: cat data.csv | seqcast train -")
    return _read_bounded(cast(BufferedIOBase, sys.stdin.buffer), STDIN_NAME, 0)


def _read_bounded(file: BufferedIOBase, name: str, expected_size: int) -> tuple[Bytes, Future[str]]:
    """Reads all bytes; a thread computes their sha256 while they are read and parsed."""
    digest = hashlib.sha256()
    counting = ThreadPoolExecutor(1, thread_name_prefix="fingerprint")
    data = bytearray(min(expected_size, MAX_STORED_BYTES))
    view, size = memoryview(data), 0
    while size < len(data) and (count := file.readinto(view[size : size + _PIECE])):
        counting.submit(digest.update, view[size : size + count])
        size += count
    pieces: list[Bytes] = [bytes(view[:size])] if size < len(data) else [data]
    # Asked for all at once, Python would set aside as many bytes as are allowed at most.
    while size <= MAX_STORED_BYTES and (piece := file.read(_PIECE)):
        counting.submit(digest.update, piece)
        pieces.append(piece)
        size += len(piece)
    fingerprint = counting.submit(digest.hexdigest)
    counting.shutdown(wait=False)
    if size > MAX_STORED_BYTES:
        raise DataError(f"the file is larger than {MAX_STORED_BYTES // 2**30} GiB.", place=Place(name))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces), fingerprint


def largest_expansion(num_stored: int) -> int:
    """Returns the most bytes that a file of `num_stored` bytes may expand to."""
    return max(_ALWAYS_EXPANDED, MAX_EXPANSION * num_stored)


def _decompress(stored: Bytes, compression: str, name: str) -> bytes:
    limit = largest_expansion(len(stored))
    pieces: list[bytes] = []
    size = 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(stored), compression) as stream:
            while piece := stream.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise DataError(
                        f"the {compression} file expands to more than {limit // 2**20:,} MiB.",
                        place=Place(name),
                        hint="Decompress it yourself if this is really meant.",
                    )
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"the {compression} file is damaged or cut off ({str(error).splitlines()[0]}).", place=Place(name)
        ) from None
    if not size:
        raise DataError("the file is empty once decompressed.", place=Place(name))
    return b"".join(pieces)


def _refuse_foreign(data: Bytes, name: str) -> None:
    start = bytes(data[:256]).removeprefix(b"\xef\xbb\xbf").lstrip()
    looks = next((what for what, magic in _FOREIGN.items() if start.startswith(magic)), None)
    if data[257:262] == b"ustar":
        looks = "a tar archive"
    if looks is not None:
        raise DataError(f"this looks like {looks}.", place=Place(name), hint="Give CSV (plain, gzip, zstd) or Parquet.")
