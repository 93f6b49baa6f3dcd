"""Reads a column as numbers, ids or categories; errors name each value that does not fit, with its line."""

import shlex
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seqcast.config import MOST_CATEGORICAL
from seqcast.errors import DataError, Hint, option, sentences
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Covariates
from seqcast.panel.wording import quoted
from seqcast.reading.cell_patterns import DECORATED_NUMBER, NUMBER, looks_like_time
from seqcast.reading.number_marks import (
    GROUPED,
    NumberMarks,
    chosen_marks,
    fits,
    given_marks,
    is_grouped,
    plain_number,
    proven_marks,
    readings,
)
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import MOST_EXAMPLES, TEXT_TYPE, Table, cell_error

Kind = Literal["empty", "integer", "number", "time", "text", "other"]
_LOOKED_AT = 1000
_MARKS = ",%$€£¥ '\u2019\u00a0\u2009\u202f"
_INFINITE = ("inf", "infinity")
_MAJORITY = 0.9
"""Share of the distinct values that decides the kind of a column, so that one misspelt number does not make it text."""
_NEARLY_ALL = 0.95
"""Share of numeric rows that makes a covariate numeric, however many distinct words it has."""
_BOOLEANS = ("true", "false", "yes", "no")
_LONGEST_WORD = 80


@dataclass(frozen=True)
class TextColumn:
    """The distinct texts of a column and the index of each row's text."""

    values: tuple[str, ...]
    """In order of first appearance."""
    codes: NDArray[np.int32]
    """(rows,); -1 where there is no value."""


def text_column(table: Table, column: str) -> TextColumn:
    """Returns a text column; codes follow the order of first appearance."""
    chunks = table.arrow.column(column).unify_dictionaries()
    codes = np.concatenate([chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in chunks.chunks])
    return _used_only(chunks.chunk(0).dictionary.to_pylist(), codes.astype(np.int32, copy=False))


def _used_only(values: list[str | None], codes: NDArray[np.int32]) -> TextColumn:
    """Drops dictionary entries that no row uses or that are null."""
    used = np.zeros(len(values) + 1, bool)
    used[codes] = True
    used[:-1] &= np.array([value is not None for value in values], bool)
    if used[:-1].all():
        return TextColumn(tuple(value for value in values if value is not None), codes)
    recode = np.full(len(used), -1, np.int32)
    kept = np.flatnonzero(used[:-1])
    recode[kept] = np.arange(len(kept))
    return TextColumn(tuple(str(values[i]) for i in kept), recode[codes])


def with_number_marks(table: Table, given: ReadOptions) -> Table:
    """Returns the table with the marks between thousands that its columns of text leave as the only reading.

    Raises:
        UsageError: A mark that was given cannot be one.
    """
    marks = given_marks(given)
    usual = NumberMarks(table.options.decimal or marks[0] or ".", marks[1] or "")
    texts = {column: _present_texts(table, column) for column in table.columns if _may_have_marks(table, column)}
    texts = {column: each for column, each in texts.items() if not fits(each, usual)}
    others = [each for each in map(proven_marks, texts.values()) if each is not None]
    chosen = {column: chosen_marks(each, usual, marks[0], others) for column, each in texts.items()}
    found = {name: each for name, each in chosen.items() if each is not None}
    agreed = {(each.decimal, each.thousands) for each in found.values()}
    thousands = agreed.pop()[1] if {decimal for decimal, _ in agreed} == {usual.decimal} and len(agreed) == 1 else ""
    options = replace(table.options, thousands=usual.thousands or thousands or None)
    return replace(table, options=options, marks=found)


def _may_have_marks(table: Table, column: str) -> bool:
    """Returns whether a text of the column may be a number with marks between thousands."""
    chunks = table.arrow.column(column)
    if chunks.type != TEXT_TYPE:
        return False
    pattern = rf"^\s*{GROUPED}\s*$"
    return any(pc.any(pc.match_substring_regex(chunk.dictionary, pattern)).as_py() for chunk in chunks.chunks)


def _present_texts(table: Table, column: str) -> Counter[str]:
    """Returns the number of rows of each text that is not missing."""
    text = text_column(table, column)
    counts = np.bincount(text.codes[text.codes >= 0], minlength=len(text.values)).tolist()
    missing = table.options.missing_words
    pairs = ((value.strip(), count) for value, count in zip(text.values, counts, strict=True))
    return Counter({value: count for value, count in pairs if value not in missing})


def column_kind(table: Table, column: str) -> Kind:
    """Returns the kind of a column, from its type or from most of its first distinct texts."""
    kind = table.arrow.schema.field(column).type
    if kind != TEXT_TYPE:
        if pa.types.is_null(kind):
            return "empty"
        if pa.types.is_integer(kind):
            return "integer"
        if pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            return "number"
        return "time" if pa.types.is_timestamp(kind) else "other"
    return _text_kind(first_distinct(table, column), table, column)


def read_numbers(table: Table, column: str) -> FloatArray:
    """Returns the (rows,) values of a numeric column, correctly rounded; NaN where missing.

    Raises:
        DataError: A value is not a number, or is infinite.
    """
    chunks = table.arrow.column(column)
    if chunks.type == TEXT_TYPE:
        text = text_column(table, column)
        numbers = np.append(_parse_numbers(table, column, text), np.nan)
        values: FloatArray = numbers[text.codes]
    elif pa.types.is_floating(chunks.type):
        shared = chunks.to_numpy()
        values = shared if shared.flags.writeable else shared.copy()
        if table.first_line is None:  # such as a Parquet file may hold NaN that signal
            values[np.isnan(values)] = np.nan
    elif pa.types.is_null(chunks.type):
        values = np.full(table.num_rows, np.nan)
    elif pa.types.is_integer(chunks.type) or pa.types.is_boolean(chunks.type):
        values = chunks.cast(pa.float64(), safe=False).to_numpy()
    else:
        raise DataError(f"the column holds {chunks.type}, not numbers.", place=table.place(column))
    for word in table.options.na_values:
        plain = _with_point(word, table, column)
        if NUMBER.fullmatch(plain):  # so that -999 means -999.0 too
            values = np.where(values == float(plain), np.nan, values)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        hint = f"Remove or correct the value ({len(infinite):,} in all), or leave it empty if it is missing."
        if table.line(int(infinite[0])) is not None:
            hint += " A number beyond 1.8e308 counts as infinite."
        raise cell_error(table, column, infinite, lambda row: str(values[row]), "is not a finite number", hint)
    return values


def read_covariates(table: Table, columns: tuple[str, ...]) -> Covariates:
    """Reads covariate columns: numbers stay numbers, text becomes codes of its sorted distinct values.

    Raises:
        DataError: A value of a numeric column is not a number, a column holds times, or too many are categories.
    """
    numeric = [column for column in columns if _is_numeric(table, column)]
    categorical = [column for column in columns if column not in set(numeric)]
    if len(categorical) > MOST_CATEGORICAL:
        raise DataError(
            f"{len(categorical):,} covariates are categories; at most {MOST_CATEGORICAL:,} can be.",
            place=table.place(categorical[MOST_CATEGORICAL]),
            hint="Leave some out, or write them as numbers.",
        )
    numbers = np.empty((table.num_rows, len(numeric)))
    codes = np.empty((table.num_rows, len(categorical)), np.int32)
    categories = []
    for i, column in enumerate(numeric):
        numbers[:, i] = _read_numeric_covariate(table, column)
    for i, column in enumerate(categorical):
        names, codes[:, i] = read_categories(table, column)
        categories.append(names)
    return Covariates(tuple(numeric), numbers, tuple(categorical), tuple(categories), codes)


def covariate_notices(covariates: Covariates) -> tuple[Notice, ...]:
    """Returns notices of which covariates are categories and of how many values of each are missing, if none."""
    notices = []
    categorical = zip(covariates.categorical_names, covariates.categories, strict=True)
    found = [f"{quoted(name)} ({len(categories):,})" for name, categories in categorical]
    if found:
        shown = ", ".join(found[:MOST_EXAMPLES]) + (" ..." if len(found) > MOST_EXAMPLES else "")
        notices.append(Notice("decision", f"covariates read as categories, with their number: {shown}", len(found)))
    missing = {
        **dict(zip(covariates.numeric_names, np.isnan(covariates.numeric).sum(axis=0), strict=True)),
        **dict(zip(covariates.categorical_names, (covariates.codes < 0).sum(axis=0), strict=True)),
    }
    for name, count in missing.items():
        counts_as = "the mean of the column" if name in covariates.numeric_names else "an unknown category"
        told = f" values of covariate {quoted(name)} are missing; they count as {counts_as}"
        notices.append(Notice.summable("repair", int(count), int(count), " of ", len(covariates.numeric), told))
    return tuple(notices)


def read_categories(table: Table, column: str) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Returns the sorted distinct texts of a column and the (rows,) code of each row; -1 where missing.

    Raises:
        DataError: The column holds neither text nor numbers.
    """
    text = as_text(table, column)
    missing = table.options.missing_words
    names = sorted(value for value in text.values if value not in missing)
    code_of = {name: code for code, name in enumerate(names)}
    recode = np.array([code_of.get(value, -1) for value in text.values] + [-1], np.int32)
    return tuple(names), recode[text.codes]


def as_text(table: Table, column: str) -> TextColumn:
    """Returns a column of texts or integers as texts; a column without any value may be of any type.

    Raises:
        DataError: The column was read as measurements or times, so its spelling is gone.
    """
    kind = table.arrow.schema.field(column).type
    if kind == TEXT_TYPE:
        return text_column(table, column)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        chunks = table.arrow.column(column).cast(pa.string()).dictionary_encode().cast(TEXT_TYPE)
        return text_column(Table(table.name, pa.table({column: chunks}), "", 0), column)
    chunks = table.arrow.column(column)
    if pc.all(chunks.is_null(nan_is_null=True)).as_py():
        return TextColumn((), np.full(table.num_rows, -1, np.int32))
    raise DataError(
        f"the column holds {'times' if pa.types.is_timestamp(kind) else str(kind)}, not names.",
        place=table.place(column),
        hint="Name another column.",
    )


def _is_numeric(table: Table, column: str) -> bool:
    if column in table.options.text:
        return False
    kind = column_kind(table, column)
    if kind in ("time", "other"):
        raise DataError(
            f"a covariate cannot be of type {'time' if kind == 'time' else table.arrow.schema.field(column).type}.",
            place=table.place(column),
            hint="Leave it out; calendar features are made from the time column.",
        )
    return kind != "text" or _share_of_numbers(table, column) >= _NEARLY_ALL


def _share_of_numbers(table: Table, column: str) -> float:
    """Returns the share of numbers among the rows with a value."""
    text, missing = text_column(table, column), table.options.missing_words
    counts = np.bincount(text.codes[text.codes >= 0], minlength=len(text.values))
    present = np.array([value.strip() not in missing for value in text.values], bool)
    numeric = np.array([NUMBER.fullmatch(_with_point(value, table, column)) is not None for value in text.values], bool)
    return float(counts[numeric & present].sum() / max(1, counts[present].sum()))


def _read_numeric_covariate(table: Table, column: str) -> FloatArray:
    try:
        return read_numbers(table, column)
    except DataError as error:
        if table.arrow.schema.field(column).type != TEXT_TYPE:
            raise
        hint = (*error.hint, "If the column names categories, none of them may be a number.")
        raise DataError(error.message, place=error.place, hint=hint) from None


def first_distinct(table: Table, column: str) -> list[str]:
    """Returns some distinct texts of a column without blanks around them, those that mean missing left out."""
    missing = table.options.missing_words
    values: list[str] = []
    for chunk in table.arrow.column(column).chunks:
        values.extend(str(value).strip() for value in chunk.dictionary[:_LOOKED_AT].to_pylist())
        values = [value for value in values if value not in missing]
        if len(values) >= _LOOKED_AT:
            break
    return values


def _text_kind(values: list[str], table: Table, column: str) -> Kind:
    if not values:
        return "empty"
    plain = [_with_point(value, table, column) for value in values]
    enough = _MAJORITY * len(values)
    if sum(bool(NUMBER.fullmatch(value)) or _is_infinite(value) for value in plain) >= enough:
        fractions = sum(not value.lstrip("+-").isdigit() for value in plain if NUMBER.fullmatch(value))
        return "number" if fractions else "integer"
    if sum(looks_like_time(value) for value in values) >= enough:
        return "time"
    decorated = sum(bool(NUMBER.fullmatch(value) or DECORATED_NUMBER.fullmatch(value)) for value in values)
    return "number" if decorated >= enough else "text"


def holds_some_numbers(table: Table, column: str) -> bool:
    """Returns whether some texts of a column are numbers."""
    return any(NUMBER.fullmatch(_with_point(value, table, column)) for value in first_distinct(table, column))


def _with_point(text: str, table: Table, column: str) -> str:
    """Writes a number with a decimal point; a text with a point is no number if the decimal mark is another."""
    return plain_number(text, table.number_marks(column))


def _is_infinite(text: str) -> bool:
    return text.strip().lower().lstrip("+-") in _INFINITE


def _parse_numbers(table: Table, column: str, text: TextColumn) -> FloatArray:
    """Returns the number of each distinct text; NaN for words that mean missing."""
    if not text.values:
        return np.empty(0)
    missing = table.options.missing_words
    plain = [_with_point(value, table, column) for value in text.values]
    known = np.array([bool(NUMBER.fullmatch(value)) for value in plain])
    gone = np.array([value in missing or value.strip() in missing for value in text.values])
    bad = np.flatnonzero(~known & ~gone)
    if len(bad):
        raise _not_a_number(table, column, text, bad)
    numeric = pa.array(
        [value if is_known else None for value, is_known in zip(plain, known & ~gone, strict=True)], pa.string()
    )
    return np.asarray(pc.cast(numeric, pa.float64()).to_numpy(zero_copy_only=False))


def _not_a_number(table: Table, column: str, text: TextColumn, bad: IntArray) -> DataError:
    is_bad = np.zeros(len(text.values) + 1, bool)
    is_bad[bad] = True
    rows = np.flatnonzero(is_bad[text.codes])
    what, hint = _what_is_wrong(text.values[text.codes[rows[0]]], column)
    if len(readings([text.values[i].strip() for i in bad])) > 1:
        mark = "comma" if "," in text.values[bad[0]] else "point"
        what = f"may be a number with a decimal {mark} or with a {mark} between thousands"
    if len(rows) > 1:
        hint = (f"{len(rows):,} such values in all.", *sentences(hint))
    return cell_error(table, column, rows, lambda row: text.values[text.codes[row]], what, hint)


def _what_is_wrong(value: str, column: str) -> tuple[str, Hint]:
    """Returns what is wrong with a text that should be a number, and what to do about it."""
    if value.strip() == column.strip():
        return "repeats the header", "Remove the repeated header lines."
    if _is_infinite(value):
        return "is not a finite number", "Correct the value, or leave it empty if it is missing."
    return "is not a number", _remedy(value)


def _marks_to_give(value: str) -> tuple[str, ...]:
    """Returns the options with which a text may be a number."""
    possible = readings([value.strip()])
    thousands = {shlex.quote(marks.thousands): None for marks in possible if marks.thousands}
    remedies = [f"A decimal comma needs {option('decimal', ',')}."]
    if thousands:
        remedies.append(f"Marks between thousands need {option('thousands', ' or '.join(thousands))}.")
    return tuple(remedies)


def _remedy(value: str) -> Hint:
    """Returns how to turn a text into a number or a missing value."""
    has_digits = any(character.isnumeric() for character in value)
    if any(mark in value for mark in _MARKS) or is_grouped(value):
        return ("Remove currency, percent and thousands signs.", *_marks_to_give(value))
    if has_digits and not value.isprintable():
        return "Remove the characters in it that are not printed."
    if has_digits and (not value.isascii() or value.strip()[0] == "(" or value.strip()[-1] == "-"):
        return "Write it with the digits 0 to 9, a point, and a minus sign in front."
    if value.strip().lower() in _BOOLEANS:
        return "Write 1 and 0."
    if len(value) > _LONGEST_WORD:
        return "Correct it, or leave it empty if it is missing."
    word = shlex.quote(value)
    shown = word if word[-1].isalnum() or word != value else repr(value)
    return f'If it means "missing", add {option("na_value", shown)}.'
