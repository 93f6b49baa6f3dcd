"""Hazards of files: what they are, how they are compressed, encoded and delimited."""

import errno
import gzip
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.reliability.hazards import (
    DATA,
    DONE,
    USAGE,
    Outcome,
    Row,
    daily,
    dates,
    each_of,
    expect,
    lines,
    meet,
    orderly,
    rows,
    values,
)
from tests.running import wave

PLAIN = daily()
LATIN = rows("ds,y,Ort", [f"{line},Köln" for line in lines(61)]).encode("latin-1")
QUOTED = "".join(f'"{line}"\n'.replace(",", '","') for line in PLAIN.splitlines())
LONG_FIELD = rows("ds,y,note", [f"{line},{'x' * (4_000_000 if i == 9 else 1)}" for i, line in enumerate(lines(61))])
GZIP, ZSTD = (pa.compress(PLAIN.encode(), kind, asbytes=True) for kind in ("gzip", "zstd"))
XLSX = b"PK\x03\x04" + b"\x14\x00" * 40


TABLES: list[Row] = [
    ("empty", "", "", DATA, "data.csv: the file is empty"),
    ("blank", " \n\t\n  \n", "", DATA, "the file is blank"),
    ("only line ends", "\r\n\r\n", "", DATA, "the file is blank"),
    ("header only", "ds,y\n", "", DATA, "a header and no rows"),
    ("header without line end", "ds,y", "", DATA, "a header and no rows"),
    ("one row", daily(1), "", DATA, "no series has two different times, so the frequency cannot be found"),
    ("two rows", daily(2), "", DATA, "has 2 steps ... need"),
    ("three rows", daily(3), "", DONE, "context"),
    ("noise", bytes((i * 197 + 89) % 256 for i in range(4096)), "", DATA, "data.csv"),
    ("noise of letters", "lorem ipsum dolor\nsit amet\n", "", DATA, "no time column was found"),
    ("an Excel workbook", XLSX, "", DATA, "zip archive ... Excel ... CSV"),
    ("an old Excel workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "", DATA, "old Excel workbook"),
    ("a PNG", b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "", DATA, "PNG image"),
    ("a JPEG", b"\xff\xd8\xff\xe0" + b"\0" * 99, "", DATA, "JPEG image"),
    ("a PDF", b"%PDF-1.7\n" + b"x" * 99, "", DATA, "PDF document"),
    ("HTML", "<!DOCTYPE html><html><body>404</body></html>", "", DATA, "looks like HTML"),
    ("HTML with a blank line in front", "\n  <html>\n", "", DATA, "looks like HTML"),
    ("XML", '<?xml version="1.0"?><a/>', "", DATA, "looks like XML"),
    ("JSON", '{"ds": ["2024-01-01"], "y": [1]}', "", DATA, "looks like JSON"),
    ("a JSON list", '[{"ds": "2024-01-01", "y": 1}]', "", DATA, "looks like JSON"),
    ("a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "", DATA, "Git LFS pointer"),
    ("a pickle", b"\x80\x04\x95" + b"x" * 40, "", DATA, "Python pickle"),
    ("an SQLite database", b"SQLite format 3\0" + b"\0" * 99, "", DATA, "SQLite"),
    ("HDF5", b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "", DATA, "HDF5"),
    ("a program", b"\x7fELF" + b"\0" * 99, "", DATA, "a program"),
    ("bzip2", b"BZh91AY" + b"x" * 99, "", DATA, "bzip2"),
    ("a numpy array", b"\x93NUMPY\x01\x00" + b"x" * 99, "", DATA, "NumPy"),
    ("gzip", GZIP, "", DONE, "61"),
    ("zstd", ZSTD, "", DONE, ""),
    ("truncated gzip", GZIP[:-20], "", DATA, "gzip file is damaged or cut off"),
    ("gzip with a broken byte", GZIP[:60] + b"\xff" * 40, "", DATA, "gzip file is damaged"),
    ("truncated zstd", ZSTD[:-20], "", DATA, "zstd file is damaged or cut off"),
    ("gzip of nothing", gzip.compress(b""), "", DATA, "empty once decompressed"),
    ("gzip of Excel", gzip.compress(XLSX), "", DATA, "zip archive"),
    ("damaged Parquet", b"PAR1" + b"\0" * 99, "", DATA, "Parquet file is damaged"),
    ("UTF-8 with byte order mark", b"\xef\xbb\xbf" + PLAIN.encode(), "", DONE, ""),
    ("UTF-16 with byte order mark", PLAIN.encode("utf-16"), "", DONE, "read as utf-16"),
    ("UTF-16 big-endian", b"\xfe\xff" + PLAIN.encode("utf-16-be"), "", DONE, "read as utf-16"),
    ("UTF-32 with byte order mark", PLAIN.encode("utf-32"), "", DONE, "read as utf-32"),
    ("UTF-16 without byte order mark", PLAIN.encode("utf-16-le"), "", DATA, "byte 1 is a NUL ... line 1"),
    ("Latin-1", LATIN, "", DATA, "line 2 ... is not UTF-8 ... --encoding"),
    ("Latin-1 that is named", LATIN, "--encoding latin-1 --target y", DONE, ""),
    ("cp1252 that is named", LATIN, "--encoding cp1252 --target y", DONE, ""),
    ("an encoding that fails", LATIN, "--encoding ascii", DATA, "are not ascii: ... Give another --encoding."),
    ("an encoding nobody knows", PLAIN, "--encoding klingon", USAGE, "'klingon' is not known. Try latin-1 or cp1252."),
    ("an encoding of bytes", PLAIN, "--encoding hex", USAGE, "--encoding 'hex'"),
    ("an encoding of text", PLAIN, "--encoding rot13", USAGE, "--encoding 'rot13'"),
    ("NUL in a number", PLAIN.replace("2024-01-09,", "2024-01-09,5\0"), "", DATA, "NUL character ... line 10"),
    ("half a UTF-8 letter at the end", PLAIN.encode() + b"\xc3", "", DATA, "is not UTF-8 ... line 63"),
    ("CRLF", PLAIN.replace("\n", "\r\n"), "", DONE, ""),
    ("CR", PLAIN.replace("\n", "\r"), "", DONE, ""),
    ("mixed line ends", PLAIN.replace("\n", "\r\n", 30), "", DONE, ""),
    ("no line end at the end", PLAIN.rstrip("\n"), "", DONE, ""),
    ("blank lines at the end", PLAIN + "\n\n\n", "", DONE, ""),
    ("blank lines in front", "\n\n" + PLAIN, "", DONE, ""),
    ("blank lines between", PLAIN.replace("\n2024-01-20", "\n\n2024-01-20"), "", DONE, ""),
    ("quoted fields", QUOTED, "", DONE, ""),
    ("semicolons", PLAIN.replace(",", ";"), "", DONE, "separated by semicolon"),
    ("tabs", PLAIN.replace(",", "\t"), "", DONE, "separated by tab"),
    ("bars", PLAIN.replace(",", "|"), "", DONE, "separated by vertical bar"),
    ("a delimiter that is named", PLAIN.replace(",", "~"), "--delimiter '~'", DONE, ""),
    ("a tab that is named", PLAIN.replace(",", "\t"), "--delimiter tab", DONE, ""),
    ("a tab as an escape", PLAIN.replace(",", "\t"), "--delimiter '\\t'", DONE, ""),
    ("a delimiter of the region", PLAIN.replace(",", "^"), "--delimiter '^'", DONE, ""),
    ("a delimiter that is not there", PLAIN, "--delimiter ';'", DATA, "no time column ... --delimiter"),
    ("a delimiter of two letters", PLAIN, "--delimiter ::", USAGE, "--delimiter"),
    ("an empty delimiter", PLAIN, "--delimiter ''", USAGE, "--delimiter"),
    ("a delimiter that is a quote", PLAIN, "--delimiter '\"'", USAGE, "--delimiter"),
    ("a delimiter that ends lines", PLAIN, "--delimiter '\n'", USAGE, "--delimiter"),
    ("a delimiter that is a letter of two bytes", PLAIN, "--delimiter 'é'", USAGE, "--delimiter"),
    ("a short row", daily(61, {30: "2024-01-29"}), "", DATA, "line 30 ... 1 field where the header has 2 ... Complete"),
    ("a long row", daily(61, {31: "2024-01-30,5,6"}), "", DATA, "line 31 ... 3 fields where the header has 2"),
    ("a long row after many", daily(5001, {4000: "2034-12-10,5,6"}), "", DATA, "line 4000 ... 3 fields"),
    ("thousands separators in a comma file", daily(61, {9: "2024-01-08,1,234"}), "", DATA, "line 9 ... 3 fields"),
    ("more fields than names", rows("ds,y", [f"{line},1" for line in lines(61)]), "", DATA, "line 2 ... 3 fields"),
    ("an open quote", daily(61, {20: '2024-01-19,"5'}), "", DATA, "line 20: a quote is opened and never closed. Close"),
    ("a 4 MB field", LONG_FIELD, "", DONE, ""),
    ("a 4 MB number", daily(61, {9: "2024-01-08," + "9x" * 2_000_000}), "", DATA, "line 9 ... is not a number"),
    ("a comment first", "# made by nobody\n" + PLAIN, "", DATA, "line 2 ... has 2 fields ... Remove the lines above"),
]


@each_of(TABLES)
def test_each_hazard_of_files_gets_what_it_must(hazard: Row, tmp_path: Path) -> None:
    meet(hazard, tmp_path)


NAMES: dict[str, str | bytes] = {
    **dict.fromkeys(("with space.csv", "Übung.csv", ".hidden.csv", "data.txt", "data", "a'b;c.csv"), PLAIN),
    **dict.fromkeys(("[bold]x[].csv", "e\nf.csv", "\x1b[31m.csv"), PLAIN),
    "data.csv.gz": GZIP,
    "data.csv.zst": ZSTD,
}


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_works_and_is_printed_safely(name: str, tmp_path: Path) -> None:
    meet((name, NAMES[name], "", DONE, "daily"), tmp_path, name)


def test_a_name_with_a_leading_dash_works_after_two_dashes(in_tmp_path: Path) -> None:
    Path("-dash.csv").write_text(PLAIN)
    expect(orderly("check", "--", "-dash.csv"), 0, ["daily"])


PATHS = {
    "dta.csv": "there is no such file ... Did you mean ... data.csv",
    "absent/d.csv": "there is no such file. There is no folder ... absent' either.",
    "dangling.csv": "there is no such file.",
    "absent/": "there is no such folder.",
    "absent": "there is no such file or folder.",
    "circle.csv": "its symbolic links go round in a circle",
    ".": "circle.csv: this is a link, and links in a folder are not followed",
    "*.txt": "no file fits this pattern",
    "/dev/zero": "this is a device, not a file",
    "http://example.com/d.csv": "this is an address ... Download it first",
    "https:/example.com/d.csv": "this is an address ... Download it first",
    "s3:/bucket/d.csv": "this is an address ... Download it first",
    "a\0b.csv": "the file cannot be read: its name holds a NUL character",
    "x" * 5000: "xxx...: the file cannot be read: file name too long",
    "-": "<stdin>: the file is empty",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_no_table_is_refused(path: str, in_tmp_path: Path) -> None:
    Path("data.csv").write_text(PLAIN)
    Path("dangling.csv").symlink_to("gone.csv")
    Path("circle.csv").symlink_to("circle.csv")
    expect(orderly("check", path), 3, PATHS[path].split(" ... "))


def test_a_link_works(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(PLAIN)
    (tmp_path / "link.csv").symlink_to("data.csv")
    expect(orderly("check", tmp_path / "link.csv"), 0, ["daily"])


def test_a_file_that_the_system_will_not_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "data.csv").write_text(PLAIN)
    monkeypatch.setattr(Path, "open", deny)
    expect(orderly("check", tmp_path / "data.csv"), 3, ["data.csv", "permission denied"])


def test_a_pipe_works(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(PLAIN,))
    writer.start()
    expect(orderly("check", pipe), 0, ["daily"])
    writer.join(5)
    assert not writer.is_alive()


@pytest.mark.parametrize("data", [PLAIN.encode(), GZIP], ids=["text", "gzip"])
def test_standard_input_works(data: bytes) -> None:
    expect(orderly("check", "-", stdin=data), 0, ["daily"])


TIMES = pa.array(dates(61)).cast(pa.timestamp("s"))
PARQUET: dict[str, tuple[dict[str, Any], int, Outcome, str]] = {
    "a whole file": ({"ds": TIMES, "y": wave(61)}, 0, DONE, "daily"),
    "a truncated file": ({"ds": TIMES, "y": wave(61)}, 9, DATA, "Parquet file is damaged"),
    "a column of lists": ({"ds": TIMES, "y": [[1.0, 2.0]] * 61}, 0, DATA, "'y' ... not numbers"),
}


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_is_read_or_refused(name: str, tmp_path: Path) -> None:
    columns, num_missing, outcome, words = PARQUET[name]
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer)
    whole = buffer.getvalue()
    meet((name, whole[: len(whole) - num_missing], "--target y", outcome, words), tmp_path)


def test_an_error_as_json_has_every_field(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(values({57: "abc"}))
    ran = orderly("check", tmp_path / "data.csv", "--target", "y", "--json")
    assert ran.code == 3
    found = json.loads(ran.out)
    assert set(found) == {"error", "kind", "file", "line", "column", "value", "hint"}
    assert (found["kind"], found["line"], found["column"], found["value"]) == ("data", 57, "y", "abc")
    assert found["hint"] == 'If it means "missing", add --na-value abc.'
