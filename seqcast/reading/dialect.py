"""The dialect of a CSV file: encoding, delimiter, header, decimal mark, and the types of its columns."""

import codecs
import csv
import io
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seqcast.errors import DataError, Place, UsageError, option
from seqcast.panel.notices import Notice
from seqcast.panel.wording import counted, name_list, quoted
from seqcast.reading.cell_patterns import INTEGER, ISO_TIME, MISSING_WORDS, NUMBER
from seqcast.reading.number_marks import agreed_decimal, given_marks, proven_in_columns
from seqcast.reading.options import ReadOptions
from seqcast.reading.source import Bytes
from seqcast.reading.table import TEXT_TYPE

_COMMA_NUMBER = re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?")
_GROUPED_NUMBER = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+")

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_NAMED_DELIMITERS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 2**16
_PIECE = 2**20
_LONGEST_FIELD = 2**31 - 1
MOST_COLUMNS = 200_000
_DISTINCT_SHARE = 0.5
"""Share of distinct values from which numbers with fractions are measurements; others keep their spelling."""


@dataclass(frozen=True)
class Dialect:
    """The properties of a CSV file that are needed to parse it."""

    delimiter: str
    decimal: str
    names: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    """Type of each column, from the first rows; a later row may contradict it."""
    body_start: int
    """Byte at which the first row begins."""
    first_line: int
    """Line on which the first row begins."""
    has_quotes: bool
    notices: tuple[Notice, ...]


def to_utf8(data: Bytes, encoding: str | None, name: str) -> tuple[Bytes, tuple[Notice, ...]]:
    """Converts the text to UTF-8 without byte order mark.

    Raises:
        DataError: The bytes are not text in the encoding, or hold NUL characters.
        UsageError: There is no such encoding.
    """
    marked = next((kind for mark, kind in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    notices: tuple[Notice, ...] = ()
    if encoding is not None:
        data = _transcode(data, encoding, name)
    elif marked is not None:
        data, notices = _transcode(data, marked, name), (Notice("decision", f"read as {marked}"),)
    if data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
    nul = data.find(b"\0")
    if nul >= 0:
        raise DataError(
            f"byte {nul:,} is a NUL character.",
            place=Place(name, _line_at(data, nul)),
            hint="The file is damaged, or not a text file.",
        )
    if not data.isascii():
        _require_utf8(data, name)
    return data, notices


def find_dialect(data: Bytes, options: ReadOptions, name: str) -> Dialect:
    """Finds the dialect from the header and the first rows.

    Raises:
        DataError: There is no header or no row, or the header or decimal separator is ambiguous.
        UsageError: The given delimiter or decimal separator cannot be one.
    """
    start = _read_beginning(data, options, name)
    delimiter = start.delimiter
    if not start.rows:
        raise DataError("the file has a header and no rows.", place=Place(name))
    names = _column_names(start.header, delimiter, name, start.first_line - 1)
    cells = [row for row in (_split(row, delimiter) for row in start.rows) if len(row) == len(names)]
    _require_header(names, cells, name, start.first_line - 1)
    decimal, notices = _find_decimal(cells, names, options, delimiter, name)
    if delimiter != "," and options.delimiter is None:
        words = DELIMITERS.get(delimiter, repr(delimiter))
        notices = (Notice("decision", f"columns are separated by {words}"), *notices)
    kept = {*options.text, "unique_id"}
    types = tuple(
        TEXT_TYPE if column in kept else _column_type([row[i] for row in cells], decimal, options)
        for i, column in enumerate(names)
    )
    has_quotes = data.find(b'"', start.body_start) >= 0
    return Dialect(delimiter, decimal, names, types, start.body_start, start.first_line, has_quotes, notices)


def header_names(data: Bytes, options: ReadOptions, name: str) -> tuple[str, ...]:
    """Returns the names of the columns.

    Raises:
        DataError: There is no header.
        UsageError: The given delimiter cannot be one.
    """
    start = _read_beginning(data, options, name)
    return _column_names(start.header, start.delimiter, name, start.first_line - 1)


@dataclass(frozen=True)
class _Beginning:
    """The header of a file and its first rows."""

    body_start: int
    first_line: int
    header: str
    rows: list[str]
    delimiter: str


def _read_beginning(data: Bytes, options: ReadOptions, name: str) -> _Beginning:
    body_start, first_line, header = _first_record(data, name)
    sample_end = body_start + max(_SAMPLE_BYTES, 4 * body_start)
    rows = list(_records(data[body_start:sample_end], len(data) > sample_end))
    delimiter = _given_delimiter(options.delimiter) or _find_delimiter(header, rows)
    return _Beginning(body_start, first_line, header, rows, delimiter)


def refuse_bad_record(data: Bytes, dialect: Dialect, name: str) -> None:
    """Raises a DataError for the first row whose number of fields differs from the header's."""
    expected = len(dialect.names)
    for line, fields in _parsed_records(data, dialect):
        if isinstance(fields, csv.Error):
            raise DataError(f"the row cannot be read: {fields}.", place=Place(name, line))
        if fields and len(fields) != expected:
            hint = "Complete or remove the row; quote fields that hold the delimiter."
            if expected == 1 or dialect.names[0].startswith("#"):
                hint = f"Remove the lines above the column names, or give {option('delimiter')}."
            found = f"{counted(len(fields), 'field')} where the header has {expected:,}"
            shown = quoted(dialect.delimiter.join(fields))
            raise DataError(f"the row has {found}: {shown}.", place=Place(name, line), hint=hint)


def refuse_open_quote(data: Bytes, dialect: Dialect, name: str) -> None:
    """Raises a DataError for a quote that is never closed, as in a file that was cut off inside a field."""
    if dialect.has_quotes and data.count(b'"', dialect.body_start) % 2:
        for line, fields in _parsed_records(data, dialect, strict=True):
            if isinstance(fields, csv.Error) and "unexpected end" in str(fields):
                hint = "Close it; the file may be cut off."
                raise DataError("a quote is opened and never closed.", place=Place(name, line), hint=hint)


def _parsed_records(
    data: Bytes, dialect: Dialect, *, strict: bool = False
) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Yields the line and the fields of each record; the last one may hold an error instead of fields."""
    text = data[dialect.body_start :].decode("utf-8", errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, strict=strict)
    line = dialect.first_line
    with _fields_of_any_length():
        try:
            for fields in reader:
                yield line, fields
                line = dialect.first_line + reader.line_num
        except csv.Error as error:
            yield line, error


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """Lifts the limit of 128 KiB that Python's CSV reader sets to a field, for the whole program."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def record_lines(data: Bytes, dialect: Dialect) -> NDArray[np.int64]:
    """Returns the line on which each record begins; quoted line ends belong to a record, blank lines are skipped."""
    body = np.frombuffer(data, np.uint8, offset=dialect.body_start)
    is_end = body == ord("\n")
    is_end[:-1] |= (body[:-1] == ord("\r")) & (body[1:] != ord("\n"))
    is_end[-1:] |= body[-1:] == ord("\r")
    ends = np.append(np.flatnonzero(is_end), len(body))
    starts = np.append(0, ends[:-1] + 1)
    quotes_before = np.searchsorted(np.flatnonzero(body == ord('"')), starts)
    padded = np.append(body, ord("\n"))
    is_blank = (padded[starts] == ord("\n")) | (padded[starts] == ord("\r")) | (starts == len(body))
    return dialect.first_line + np.flatnonzero((quotes_before % 2 == 0) & ~is_blank)


def _transcode(data: Bytes, encoding: str, name: str) -> Bytes:
    """Returns the text as UTF-8; text that is UTF-8 already keeps its byte order mark."""
    message = f"{option('encoding', repr(encoding[:40]))} is not known."
    unknown = UsageError(message, place=Place(name), hint="Try latin-1 or cp1252.")
    try:
        if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
            return data
    except (LookupError, ValueError):
        raise unknown from None
    try:
        return data.decode(encoding).encode("utf-8")
    except LookupError:  # a codec that does not make text, such as hex
        raise unknown from None
    except UnicodeError as error:
        hint = f"Give another {option('encoding')}."
        raise DataError(f"the bytes are not {encoding}: {error}.", place=Place(name), hint=hint) from None


def _require_utf8(data: Bytes, name: str) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _PIECE):
        try:
            decoder.decode(data[start : start + _PIECE], final=start + _PIECE >= len(data))
        except UnicodeDecodeError as error:
            # the decoder may carry up to three bytes over from the piece before
            position = max(0, start - 3) + data[max(0, start - 3) :].find(error.object[error.start : error.start + 8])
            line = _line_at(data, position)
            raise DataError(
                f"byte {position:,} ({data[position]:#04x}) is not UTF-8.",
                place=Place(name, line),
                hint=f"Give the file's {option('encoding')}, such as latin-1 or cp1252.",
            ) from None


def _line_at(data: Bytes, position: int) -> int:
    before = data[:position]
    return before.count(b"\n") + before.replace(b"\r\n", b"").count(b"\r") + 1


def _first_record(data: Bytes, name: str) -> tuple[int, int, str]:
    """Returns the byte and the line after the header record, and the text of the header."""
    if data.isspace() or not data:
        raise DataError("the file is blank.", place=Place(name))
    beginning = re.compile(rb"[^\r\n]").search(data)
    blank = beginning.start() if beginning else 0
    line = _line_at(data, blank)
    end, num_quotes = blank, 0
    while True:
        found = re.compile(rb"\r\n|\n|\r").search(data, end)
        start, end = end, found.end() if found else len(data)
        line += 1
        num_quotes += data.count(b'"', start, end)
        if num_quotes % 2 == 0 or not found:
            return end, line, data[blank:end].decode("utf-8").rstrip("\r\n")


def _records(sample: Bytes, is_cut: bool) -> Iterator[str]:
    """Returns the lines of the sample, without the last one if it is cut off."""
    lines = re.split(r"\r\n|\n|\r", sample.decode("utf-8", errors="ignore"))
    if is_cut and len(lines) > 1:
        lines.pop()
    return (line for line in lines if line)


def _split(line: str, delimiter: str) -> list[str]:
    """Returns the fields of a record; none if the delimiter leaves a line end outside quotes."""
    try:
        with _fields_of_any_length():
            return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return []


def _given_delimiter(delimiter: str | None) -> str | None:
    if delimiter is None:
        return None
    plain = _NAMED_DELIMITERS.get(delimiter, delimiter)
    if len(plain) != 1 or not plain.isascii() or plain.isalnum() or plain in '"\r\n\0':
        raise UsageError(
            f"{option('delimiter', repr(delimiter[:20]))} cannot separate fields.",
            hint="Give one ASCII character that is no letter, digit, quote or line end, or the word tab.",
        )
    return plain


def _find_delimiter(header: str, rows: list[str]) -> str:
    """Returns the delimiter that gives the most columns with every row agreeing, or a comma."""
    best, most = ",", 1
    for delimiter in DELIMITERS:
        width = len(_split(header, delimiter))
        agrees = all(len(_split(row, delimiter)) == width for row in rows[:100] if '"' not in row)
        if agrees and width > most:
            best, most = delimiter, width
    if most == 1 and "," not in header:
        return max(DELIMITERS, key=header.count)
    return best


def _column_names(text: str, delimiter: str, name: str, line: int) -> tuple[str, ...]:
    """Returns the names as written; blank ones are named by their position, as pandas does."""
    if re.fullmatch("sep=.", text):
        raise DataError(
            f"the first line {quoted(text)} is an instruction to Excel, not column names.",
            place=Place(name, line),
            hint=f"Remove it; give {option('delimiter', shlex.quote(text[-1]))} if that is not found.",
        )
    header = _split(text, delimiter)
    if not header:
        raise DataError(
            "the header has a line end inside a quote that does not begin a field.",
            place=Place(name, line),
            hint=f"Put quotes around the whole field, or check {option('delimiter')}.",
        )
    if len(header) > MOST_COLUMNS:
        raise DataError(
            f"the header names {len(header):,} columns; at most {MOST_COLUMNS:,} can be read.",
            place=Place(name, line),
            hint="Write one row for each series and time, with an id column.",
        )
    names = tuple(column if column.strip() else f"Unnamed: {i}" for i, column in enumerate(header))
    twice = sorted(column for column, count in Counter(names).items() if count > 1)
    if twice:
        fields = [i + 1 for i, column in enumerate(names) if column == twice[0]]
        raise DataError(
            f"the header names {quoted(twice[0])} more than once (fields {', '.join(map(str, fields[:5]))}).",
            place=Place(name, line, twice[0]),
            hint="Rename one of them.",
        )
    return names


def _require_header(names: tuple[str, ...], cells: list[list[str]], name: str, line: int) -> None:
    """Raises if the first line looks like the rows below it."""
    looks_like_data = all(NUMBER.fullmatch(column) or ISO_TIME.fullmatch(column) for column in names)
    dated = any(
        ISO_TIME.fullmatch(column) and cells and ISO_TIME.fullmatch(cells[0][i]) for i, column in enumerate(names)
    )
    if looks_like_data or dated:
        raise DataError(
            f"the first line is data, not column names: {name_list(names, 5)}.",
            place=Place(name, line),
            hint="Add a header line such as unique_id,ds,y.",
        )


def _find_decimal(
    cells: list[list[str]], names: tuple[str, ...], options: ReadOptions, delimiter: str, name: str
) -> tuple[str, tuple[Notice, ...]]:
    proven = proven_in_columns(cells, options.missing_words)
    given = given_marks(options)[0] or agreed_decimal(cells, proven)
    if given is not None or delimiter == ",":
        return given or ".", ()
    with_comma = [(i, cell) for row in cells for i, cell in enumerate(row) if _COMMA_NUMBER.fullmatch(cell.strip())]
    with_point = any("." in cell and NUMBER.fullmatch(cell.strip()) for row in cells for cell in row)
    if not with_comma or with_point or any(marks.thousands == "," for marks in proven):
        return ".", ()
    column, example = with_comma[0]
    if all(_GROUPED_NUMBER.fullmatch(cell.strip()) for _, cell in with_comma):
        raise DataError(
            f"{quoted(example)} may be a number with a decimal comma or with a comma between thousands.",
            place=Place(name, None, names[column], example),
            hint=f"Give {option('decimal', ',')} if the comma is decimal, otherwise {option('thousands', ',')}.",
        )
    return ",", (Notice("repair", f"numbers such as {quoted(example)} were read with a decimal comma"),)


def _column_type(cells: list[str], decimal: str, options: ReadOptions) -> pa.DataType:
    """Returns the type of a column by its first cells: measurements, ISO times, or text."""
    present = [cell.strip() for cell in cells if cell.strip() not in MISSING_WORDS and cell not in options.na_values]
    if not present:
        return TEXT_TYPE
    plain_times = options.time_format is None and options.time_unit is None
    if plain_times and all(ISO_TIME.fullmatch(cell) for cell in present):
        return pa.timestamp("us")
    if decimal != ".":
        present = [cell.replace(decimal, ".") for cell in present]
    fractional = not all(INTEGER.fullmatch(cell) for cell in present)
    varied = len(set(present)) > _DISTINCT_SHARE * len(present)
    if fractional and varied and all(NUMBER.fullmatch(cell) for cell in present):
        return pa.float64()
    return TEXT_TYPE
