"""Hazards of files: what they are, how they are compressed, encoded and delimited."""

from __future__ import annotations

import gzip
import json
import os
import stat
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from tests.reliability.hazards import Hazard, daily, error, expect, lines, meet, orderly, repaired, rows, works

PLAIN = daily()
LATIN = rows("ds,y,Ort", [f"{line},Köln" for line in lines(61)]).encode("latin-1")
XLSX = b"PK\x03\x04" + b"\x14\x00" * 40


def compressed(kind: str, data: bytes) -> bytes:
    return bytes(pa.compress(data, kind, asbytes=True))


TABLES = [
    error("empty", "", "data.csv: the file is empty"),
    error("blank", " \n\t\n  \n", "the file is blank"),
    error("only line ends", "\r\n\r\n", "the file is blank"),
    error("header only", "ds,y\n", "a header and no rows"),
    error("header without line end", "ds,y", "a header and no rows"),
    error("one row", daily(1), "the frequency cannot be found"),
    error("two rows", daily(2), "has 2 steps", "need"),
    error("three rows", daily(3), "has 3 steps", "need"),
    error("noise", bytes((i * 197 + 89) % 256 for i in range(4096)), "data.csv"),
    error("noise of letters", "lorem ipsum dolor\nsit amet\n", "no time column was found"),
    error("an Excel workbook", XLSX, "zip archive", "Excel", "CSV"),
    error("an old Excel workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "old Excel workbook"),
    error("a PNG", b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "PNG image"),
    error("a JPEG", b"\xff\xd8\xff\xe0" + b"\0" * 99, "JPEG image"),
    error("a PDF", b"%PDF-1.7\n" + b"x" * 99, "PDF document"),
    error("HTML", "<!DOCTYPE html><html><body>404</body></html>", "looks like HTML"),
    error("HTML with a blank line in front", "\n  <html>\n", "looks like HTML"),
    error("XML", '<?xml version="1.0"?><a/>', "looks like XML"),
    error("JSON", '{"ds": ["2024-01-01"], "y": [1]}', "looks like JSON"),
    error("a JSON list", '[{"ds": "2024-01-01", "y": 1}]', "looks like JSON"),
    error("a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
    error("a pickle", b"\x80\x04\x95" + b"x" * 40, "Python pickle"),
    error("an SQLite database", b"SQLite format 3\0" + b"\0" * 99, "SQLite"),
    error("HDF5", b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "HDF5"),
    error("a program", b"\x7fELF" + b"\0" * 99, "a program"),
    error("bzip2", b"BZh91AY" + b"x" * 99, "bzip2"),
    error("a numpy array", b"\x93NUMPY\x01\x00" + b"x" * 99, "NumPy"),
    works("gzip", compressed("gzip", PLAIN.encode()), "61", file="data.csv.gz"),
    works("gzip without its suffix", compressed("gzip", PLAIN.encode())),
    works("zstd", compressed("zstd", PLAIN.encode()), file="data.csv.zst"),
    error("truncated gzip", compressed("gzip", PLAIN.encode())[:-20], "gzip file is damaged or cut off"),
    error("gzip with a broken byte", gzip.compress(PLAIN.encode())[:60] + b"\xff" * 40, "gzip file is damaged"),
    error("truncated zstd", compressed("zstd", PLAIN.encode())[:-20], "zstd file is damaged or cut off"),
    error("gzip of nothing", gzip.compress(b""), "empty once decompressed"),
    error("gzip of Excel", gzip.compress(XLSX), "zip archive"),
    error("damaged Parquet", b"PAR1" + b"\0" * 99, "Parquet file is damaged"),
    works("UTF-8 with byte order mark", b"\xef\xbb\xbf" + PLAIN.encode()),
    works("UTF-16 with byte order mark", PLAIN.encode("utf-16"), "read as utf-16"),
    works("UTF-16 big-endian", b"\xfe\xff" + PLAIN.encode("utf-16-be"), "read as utf-16"),
    works("UTF-32 with byte order mark", PLAIN.encode("utf-32"), "read as utf-32"),
    error("UTF-16 without byte order mark", PLAIN.encode("utf-16-le"), "byte 1 is a NUL", "line 1"),
    error("Latin-1", LATIN, "line 2", "is not UTF-8", "--encoding"),
    works("Latin-1 that is named", LATIN, options=("--encoding", "latin-1", "--target", "y")),
    works("cp1252 that is named", LATIN, options=("--encoding", "cp1252", "--target", "y")),
    error("an encoding that fails", LATIN, "are not ascii", options=("--encoding", "ascii")),
    error("an encoding nobody knows", PLAIN, "--encoding 'klingon' is not known", options=("--encoding", "klingon")),
    error("an encoding of bytes", PLAIN, "--encoding 'hex'", options=("--encoding", "hex")),
    error("an encoding of text", PLAIN, "--encoding 'rot13'", options=("--encoding", "rot13")),
    error("NUL in a number", PLAIN.replace("2024-01-09,", "2024-01-09,5\0"), "NUL character", "line 10"),
    error("half a UTF-8 letter at the end", PLAIN.encode() + b"\xc3", "is not UTF-8", "line 63"),
    works("CRLF", PLAIN.replace("\n", "\r\n")),
    works("CR", PLAIN.replace("\n", "\r")),
    works("mixed line ends", PLAIN.replace("\n", "\r\n", 30)),
    works("no line end at the end", PLAIN.rstrip("\n")),
    works("blank lines at the end", PLAIN + "\n\n\n"),
    works("blank lines in front", "\n\n" + PLAIN),
    works("blank lines between", PLAIN.replace("\n2024-01-20", "\n\n2024-01-20")),
    works("quoted fields", rows('"ds","y"', [f'"{line.replace(",", chr(34) + "," + chr(34))}"' for line in lines(61)])),
    works("semicolons", PLAIN.replace(",", ";"), "separated by semicolon"),
    works("tabs", PLAIN.replace(",", "\t"), "separated by tab"),
    works("bars", PLAIN.replace(",", "|"), "separated by vertical bar"),
    works("a delimiter that is named", PLAIN.replace(",", "~"), options=("--delimiter", "~")),
    works("a tab that is named", PLAIN.replace(",", "\t"), options=("--delimiter", "tab")),
    works("a tab as an escape", PLAIN.replace(",", "\t"), options=("--delimiter", "\\t")),
    works("a delimiter of the region", PLAIN.replace(",", "^"), options=("--delimiter", "^")),
    error("a delimiter that is not there", PLAIN, "no time column", "--delimiter", options=("--delimiter", ";")),
    error("a delimiter of two letters", PLAIN, "--delimiter", options=("--delimiter", "::"), code=2),
    error("an empty delimiter", PLAIN, "--delimiter", options=("--delimiter", ""), code=2),
    error("a delimiter that is a quote", PLAIN, "--delimiter", options=("--delimiter", '"'), code=2),
    error("a delimiter that ends lines", PLAIN, "--delimiter", options=("--delimiter", "\n"), code=2),
    error("a delimiter that is a letter of two bytes", PLAIN, "--delimiter", options=("--delimiter", "é"), code=2),
    error("a short row", daily(61, {30: "2024-01-29"}), "line 30", "1 fields where the header has 2"),
    error("a long row", daily(61, {31: "2024-01-30,5,6"}), "line 31", "3 fields where the header has 2"),
    error("a long row after many", daily(5001, {4000: "2034-12-10,5,6"}), "line 4000", "3 fields"),
    error("thousands separators in a comma file", daily(61, {9: "2024-01-08,1,234"}), "line 9", "3 fields"),
    error("one field more than the header", rows("ds,y", [f"{line},1" for line in lines(61)]), "line 2", "3 fields"),
    error("an open quote", daily(61, {20: '2024-01-19,"50'}), "data.csv"),
    works("a 4 MB field", rows("ds,y,note", [f"{line},{'x' * (4_000_000 if i == 9 else 1)}" for i, line in enumerate(lines(61))])),
    error("a 4 MB number", values_of := daily(61, {9: "2024-01-08," + "9x" * 2_000_000}), "line 9", "is not a number"),
    repaired("a comment in front", "# made by nobody\n" + PLAIN, "nothing"),
]


@pytest.mark.parametrize("hazard", TABLES, ids=lambda hazard: hazard.name)
def test_each_hazard_of_files_gets_what_it_must(hazard: Hazard, tmp_path: Path) -> None:
    meet(hazard, tmp_path)
