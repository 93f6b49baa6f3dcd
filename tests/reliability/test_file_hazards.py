"""Hazards of files: what they are, how they are compressed, encoded and delimited."""

from __future__ import annotations

import errno
import gzip
import json
import os
import threading
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.reliability.hazards import Hazard, daily, dates, error, expect, lines, meet, orderly, rows, values, works
from tests.running import wave

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
    works("three rows", daily(3), "context"),
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
    error(
        "an encoding nobody knows",
        PLAIN,
        "--encoding 'klingon' is not known",
        options=("--encoding", "klingon"),
        code=2,
    ),
    error("an encoding of bytes", PLAIN, "--encoding 'hex'", options=("--encoding", "hex"), code=2),
    error("an encoding of text", PLAIN, "--encoding 'rot13'", options=("--encoding", "rot13"), code=2),
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
    error("a short row", daily(61, {30: "2024-01-29"}), "line 30", "1 field where the header has 2"),
    error("a long row", daily(61, {31: "2024-01-30,5,6"}), "line 31", "3 fields where the header has 2"),
    error("a long row after many", daily(5001, {4000: "2034-12-10,5,6"}), "line 4000", "3 fields"),
    error("thousands separators in a comma file", daily(61, {9: "2024-01-08,1,234"}), "line 9", "3 fields"),
    error("one field more than the header", rows("ds,y", [f"{line},1" for line in lines(61)]), "line 2", "3 fields"),
    error("an open quote", daily(61, {20: '2024-01-19,"50'}), "data.csv"),
    works(
        "a 4 MB field",
        rows("ds,y,note", [f"{line},{'x' * (4_000_000 if i == 9 else 1)}" for i, line in enumerate(lines(61))]),
    ),
    error("a 4 MB number", daily(61, {9: "2024-01-08," + "9x" * 2_000_000}), "line 9", "is not a number"),
    error("a comment in front", "# made by nobody\n" + PLAIN, "line 2", "2 fields where the header has 1"),
]


@pytest.mark.parametrize("hazard", TABLES, ids=lambda hazard: hazard.name)
def test_each_hazard_of_files_gets_what_it_must(hazard: Hazard, tmp_path: Path) -> None:
    meet(hazard, tmp_path)


def test_parquet_works(tmp_path: Path) -> None:
    table = pa.table({"ds": pa.array(dates(61)).cast(pa.timestamp("s")), "y": wave(61)})
    parquet.write_table(table, tmp_path / "data.parquet")
    expect(orderly("check", tmp_path / "data.parquet"), 0, ["daily"])


def test_a_truncated_parquet_file_is_damaged(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"ds": dates(61), "y": wave(61)}), tmp_path / "data.parquet")
    whole = (tmp_path / "data.parquet").read_bytes()
    (tmp_path / "data.parquet").write_bytes(whole[:-9])
    expect(orderly("check", tmp_path / "data.parquet"), 3, ["Parquet file is damaged"])


def test_a_parquet_list_column_is_refused_with_words(tmp_path: Path) -> None:
    table = pa.table({"ds": pa.array(dates(61)).cast(pa.timestamp("s")), "y": [[1.0, 2.0]] * 61})
    parquet.write_table(table, tmp_path / "data.parquet")
    expect(orderly("check", tmp_path / "data.parquet", "--target", "y"), 3, ["'y'", "not numbers"])


@pytest.mark.parametrize(
    "name",
    [
        "with space.csv",
        "Übung.csv",
        ".hidden.csv",
        "data.txt",
        "data",
        "a'b;c.csv",
        "[bold]x[].csv",
        "e\nf.csv",
        "\x1b[31m.csv",
    ],
)
def test_any_file_name_works_and_is_printed_safely(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(PLAIN)
    expect(orderly("check", tmp_path / name), 0, ["daily"])


def test_an_absent_file_names_a_near_one(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(PLAIN)
    expect(orderly("check", tmp_path / "dta.csv"), 3, ["there is no such file", "Did you mean", "data.csv"])


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    expect(orderly("check", tmp_path / "absent" / "d.csv"), 3, ["there is no such file", "There is no folder"])


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    expect(orderly("check", tmp_path), 3, ["this is a directory"])


def test_a_device_is_no_file() -> None:
    expect(orderly("check", "/dev/zero"), 3, ["this is a device"])


def test_an_address_is_no_file() -> None:
    expect(orderly("check", "https://example.com/data.csv"), 3, ["this is an address"])


def test_a_file_name_with_nul_is_refused() -> None:
    expect(orderly("check", "a\0b.csv"), 3, ["NUL"])


def test_a_file_name_too_long_is_refused() -> None:
    expect(orderly("check", "x" * 5000), 3, ["xxx...: the file cannot be read: file name too long"])


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to("b.csv")
    (tmp_path / "b.csv").symlink_to("a.csv")
    expect(orderly("check", tmp_path / "a.csv"), 3, ["in a circle"])


def test_a_link_works(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(PLAIN)
    (tmp_path / "link.csv").symlink_to("data.csv")
    expect(orderly("check", tmp_path / "link.csv"), 0, ["daily"])


def test_a_dangling_link_is_an_absent_file(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("gone.csv")
    expect(orderly("check", tmp_path / "link.csv"), 3, ["there is no such file"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(PLAIN)
    (tmp_path / "data.csv").chmod(0)
    expect(orderly("check", tmp_path / "data.csv"), 3, ["permission denied"])


def test_a_file_that_the_system_will_not_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.csv").write_text(PLAIN)

    def deny(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

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


def test_standard_input_works() -> None:
    expect(orderly("check", "-", stdin=PLAIN.encode()), 0, ["daily"])


def test_compressed_standard_input_works() -> None:
    expect(orderly("check", "-", stdin=gzip.compress(PLAIN.encode())), 0, ["daily"])


def test_empty_standard_input_is_an_empty_file() -> None:
    expect(orderly("check", "-"), 3, ["<stdin>: the file is empty"])


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_is_refused_before_it_fills_memory(kind: str, tmp_path: Path) -> None:
    (tmp_path / "bomb.csv").write_bytes(compressed(kind, b"0" * 2**22) * 70)
    tracemalloc.start()
    expect(orderly("check", tmp_path / "bomb.csv"), 3, ["expands to more than 64 MiB"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * 2**20


def test_many_columns_work_or_end_in_a_short_error(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(3_001)]
    body = [f"{day}," + ",".join(["1"] * 3_001) for day in dates(5)]
    (tmp_path / "wide.csv").write_text(rows("ds," + ",".join(names), body))
    ran = orderly("check", tmp_path / "wide.csv")
    assert ran.code in (0, 3)
    assert len(ran.err) < 5000


def test_an_error_as_json_has_every_field(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(values({57: "abc"}))
    ran = orderly("check", tmp_path / "data.csv", "--target", "y", "--json")
    assert ran.code == 3
    found = json.loads(ran.out)
    assert set(found) == {"error", "kind", "file", "line", "column", "value", "hint"}
    assert (found["kind"], found["line"], found["column"], found["value"]) == ("data", 57, "y", "abc")
    assert found["hint"] == 'If it means "missing", add --na-value abc.'
