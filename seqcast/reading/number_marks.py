"""Decimal and thousands marks of numbers in text: what a column leaves as its only reading, and what was given."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from seqcast.errors import UsageError, option
from seqcast.panel.notices import Notice
from seqcast.panel.wording import quoted
from seqcast.reading.cell_patterns import NUMBER
from seqcast.reading.options import ReadOptions

_CLASSES = {",": ",", ".": ".", " ": " \u00a0\u2009\u202f", "'": "'\u2019"}
"""Characters that stand between thousands, under the one that names them."""
_NAMES = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes"}
_GIVEN = {"comma": ",", "point": ".", "dot": ".", "space": " ", "apostrophe": "'"}
_CLASS = re.escape("".join(_CLASSES.values()))
GROUPED = rf"[+-]?[1-9][0-9]{{0,2}}([{_CLASS}][0-9]{{2,3}})+([.,][0-9]*)?"
"""A number that may have marks between thousands; many of them are read otherwise in the end."""
_IS_GROUPED = re.compile(GROUPED)
_FEWEST = 2
"""Rows that plain numbers must leave unread; a single one may be a slip."""


@dataclass(frozen=True)
class NumberMarks:
    """How the numbers of a column are written."""

    decimal: str = "."
    thousands: str = ""
    """Empty if there is none."""
    example: str = ""
    """A number of the column that has marks between thousands."""

    @property
    def words(self) -> str:
        """The marks in words."""
        point = "point" if self.decimal == "." else "comma"
        return f"{_NAMES[self.thousands]} between thousands and a decimal {point}"


def given_marks(options: ReadOptions) -> tuple[str | None, str | None]:
    """Returns the decimal and the thousands mark that were given or follow from each other; None if open.

    Raises:
        UsageError: A mark is none, or both are the same.
    """
    decimal, thousands = options.decimal, options.thousands
    if decimal not in (None, ".", ","):
        raise UsageError(f"{option('decimal', repr(decimal[:20]))} is no decimal mark.", hint="Give . or ,.")
    if thousands is None:
        return decimal, None
    mark = next((name for name, known in _CLASSES.items() if thousands and thousands in known), None)
    mark = mark or _GIVEN.get(thousands)
    if mark is None:
        raise UsageError(
            f"{option('thousands', repr(thousands[:20]))} is no mark between thousands.",
            hint="Give one of , . ' or the word space.",
        )
    if mark == decimal:
        raise UsageError(
            f"{option('decimal', decimal)} and {option('thousands', mark)} are the same mark.",
            hint="Give another one, or only one of them.",
        )
    return decimal or {",": ".", ".": ","}.get(mark), mark


def plain_number(text: str, marks: NumberMarks) -> str:
    """Writes a number with a decimal point and nothing between thousands; other texts stay no numbers."""
    plain = text.strip()
    if marks.thousands and _grouped(marks.decimal, marks.thousands).fullmatch(plain):
        plain = re.sub(f"[{_CLASSES[marks.thousands]}]", "", plain)
    return plain if marks.decimal == "." else plain.replace(".", "?").replace(marks.decimal, ".")


def fits(texts: Iterable[str], marks: NumberMarks) -> bool:
    """Returns whether all texts are numbers with these marks."""
    return all(NUMBER.fullmatch(plain_number(text, marks)) for text in texts)


def is_grouped(text: str) -> bool:
    """Returns whether a text may be a number with marks between thousands."""
    return _IS_GROUPED.fullmatch(text.strip()) is not None


def readings(texts: Sequence[str]) -> tuple[NumberMarks, ...]:
    """Returns the ways to read all texts as numbers that differ in a value; plain ones come first."""
    found: dict[tuple[float, ...], NumberMarks] = {}
    for marks in _every_marks():
        plain = [plain_number(text, marks) for text in texts]
        if all(map(NUMBER.fullmatch, plain)):
            found.setdefault(tuple(map(float, plain)), marks)
    example = next(iter(filter(is_grouped, texts)), "")
    return tuple(NumberMarks(marks.decimal, marks.thousands, example) for marks in found.values())


def proven_marks(texts: Counter[str]) -> NumberMarks | None:
    """Returns the marks of a column that leaves a single reading, with marks between thousands; otherwise None.

    Args:
        texts: The number of rows of each text that is not missing.
    """
    if any(_num_unread(texts, mark) < _FEWEST for mark in ".,"):
        return None
    found = readings(list(texts))
    return found[0] if len(found) == 1 and found[0].thousands else None


def chosen_marks(
    texts: Counter[str], usual: NumberMarks, given: str | None, others: Collection[NumberMarks]
) -> NumberMarks | None:
    """Returns the marks of a column: its only reading, or the one that fits the given decimal mark or other columns."""
    proven = proven_marks(texts)
    if proven is not None or _num_unread(texts, usual.decimal) < _FEWEST:
        return proven
    known = {(marks.decimal, marks.thousands) for marks in others}
    if given is not None:
        known |= {(given, mark) for mark in _CLASSES}
    possible = [each for each in readings(list(texts)) if (each.decimal, each.thousands) in known]
    return possible[0] if len(possible) == 1 else None


def proven_in_columns(cells: Sequence[Sequence[str]], missing: Collection[str]) -> tuple[NumberMarks, ...]:
    """Returns the marks of the columns of some rows that leave a single reading, with marks between thousands."""
    columns = [map(str.strip, column) for column in zip(*cells, strict=True) if any(map(is_grouped, column))]
    found = [proven_marks(Counter(cell for cell in column if cell not in missing)) for column in columns]
    return tuple(marks for marks in found if marks is not None)


def agreed_decimal(cells: Sequence[Sequence[str]], proven: Collection[NumberMarks]) -> str | None:
    """Returns the decimal mark of all proven marks, unless a cell is a number with the other one alone."""
    decimals = {marks.decimal for marks in proven}
    if len(decimals) != 1:
        return None
    decimal = decimals.pop()
    other = NumberMarks("," if decimal == "." else ".")
    opposed = (cell for row in cells for cell in row if other.decimal in cell and not is_grouped(cell))
    return None if any(NUMBER.fullmatch(plain_number(cell, other)) for cell in opposed) else decimal


def _num_unread(texts: Counter[str], decimal: str) -> int:
    """Returns the number of rows that are no numbers if nothing stands between thousands."""
    marks = NumberMarks(decimal)
    return sum(count for text, count in texts.items() if not NUMBER.fullmatch(plain_number(text, marks)))


def mark_notices(found: Mapping[str, NumberMarks], columns: Iterable[str]) -> tuple[Notice, ...]:
    """Returns a notice for each pair of marks that were found in some of the columns."""
    of_marks: dict[str, list[str]] = {}
    for column in columns:
        if column in found:
            of_marks.setdefault(found[column].words, []).append(column)
    notices = []
    for words, named in of_marks.items():
        others = f" and {len(named) - 1:,} more" if len(named) > 1 else ""
        text = f"numbers such as {quoted(found[named[0]].example)} in column {quoted(named[0])}{others}"
        notices.append(Notice("repair", f"{text} were read with {words}", len(named)))
    return tuple(notices)


@cache
def _grouped(decimal: str, thousands: str) -> re.Pattern[str]:
    mark, point = f"[{_CLASSES[thousands]}]", re.escape(decimal)
    indian = r"|[0-9]?[0-9](,[0-9]{2})+,[0-9]{3}" if thousands == "," else ""
    return re.compile(rf"[+-]?(?=[1-9])([0-9]{{1,3}}({mark}[0-9]{{3}})+{indian})({point}[0-9]*)?")


@cache
def _every_marks() -> tuple[NumberMarks, ...]:
    plain = (NumberMarks("."), NumberMarks(","))
    return (*plain, *(NumberMarks(mark, other) for other in _CLASSES for mark in ".," if mark != other))
