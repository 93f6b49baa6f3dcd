"""Bytes of files and pipes: what is read, what is refused, and the fingerprint of it."""

import gzip
import hashlib
import io
from pathlib import Path

import pyarrow as pa
import pytest

from seqcast.errors import DataError
from seqcast.reading import source
from seqcast.reading.source import read_content
from tests.reading.making_tables import write

CSV = b"ds,y\n2024-01-01,1\n2024-01-02,2\n"


def _zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


class _Stdin:
    """Standard input that holds these bytes."""

    closed = False

    def __init__(self, data: bytes, is_terminal: bool = False) -> None:
        self.buffer = io.BytesIO(data)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize("stored", [CSV, gzip.compress(CSV), _zstd(CSV)], ids=["plain", "gzip", "zstd"])
def test_compression_is_recognised_by_content_not_by_name(tmp_path: Path, stored: bytes) -> None:
    content = read_content(write(tmp_path, stored, "data.xyz"))
    assert (bytes(content.data), content.format, content.stored_bytes) == (CSV, "csv", len(stored))


def test_the_fingerprint_is_of_the_bytes_as_stored(tmp_path: Path) -> None:
    stored = gzip.compress(CSV)
    assert read_content(write(tmp_path, stored)).fingerprint.result() == hashlib.sha256(stored).hexdigest()


def test_a_file_read_in_many_pieces_has_the_same_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_PIECE", 7)
    content = read_content(write(tmp_path, CSV))
    assert (bytes(content.data), content.fingerprint.result()) == (CSV, hashlib.sha256(CSV).hexdigest())


def test_gzip_members_are_read_one_after_the_other(tmp_path: Path) -> None:
    content = read_content(write(tmp_path, gzip.compress(CSV) + gzip.compress(b"2024-01-03,3\n")))
    assert content.data == CSV + b"2024-01-03,3\n"


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (b'\xef\xbb\xbf{"a": 1}', "this looks like JSON"),
        (b"<table><tr><td>ds</td></tr></table>", "this looks like HTML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "this looks like XML"),
        (b"{\\rtf1\\ansi ds,y}", "this looks like a Rich Text document"),
        (b"\xff\xff\xff\xff\x10\0\0\0", "this looks like an Arrow stream"),
        (b"ORC\x0a\x03", "this looks like an ORC file"),
        (b"data.csv" + bytes(249) + b"ustar", "this looks like a tar archive"),
        pytest.param(
            gzip.compress(gzip.compress(CSV)), r"the file is compressed twice\. Decompress it once", id="twice"
        ),
    ],
)
def test_what_is_not_a_table_is_named(tmp_path: Path, stored: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_content(write(tmp_path, stored))


@pytest.mark.parametrize("header", [b"ORCL,MSFT,ds\n", b"CDF,ds\n", b"Obj,ds\n", b"<DATE>,<CLOSE>\n"])
def test_a_header_that_begins_like_a_foreign_format_is_a_table(tmp_path: Path, header: bytes) -> None:
    assert read_content(write(tmp_path, header + b"1,2\n")).format == "csv"


def test_parquet_is_recognised(tmp_path: Path) -> None:
    assert read_content(write(tmp_path, b"PAR1....PAR1")).format == "parquet"


def test_a_file_larger_than_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_STORED_BYTES", 11)
    with pytest.raises(DataError, match="the file is larger than 0 GiB"):
        read_content(write(tmp_path, CSV))


def test_a_file_that_expands_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_ALWAYS_EXPANDED", 2**20)
    bomb = gzip.compress(bytes(2**23))
    with pytest.raises(DataError, match=r"the gzip file expands to more than 1 MiB\. Decompress it yourself"):
        read_content(write(tmp_path, bomb))


def test_a_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Stdin(b"", is_terminal=True))
    with pytest.raises(DataError, match=r"<stdin>: nothing is piped in\. Use: cat data\.csv \| seqcast train -"):
        read_content("-")


def test_closed_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(DataError, match="standard input is closed"):
        read_content("-")
