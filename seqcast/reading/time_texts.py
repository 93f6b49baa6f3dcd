"""Reads texts as times in the one format that fits all texts of a column, strictly.

The readers of single formats return one time per text, NaT where the text does not have the format.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seqcast.errors import DataError, UsageError, option
from seqcast.panel.arrays import BoolArray
from seqcast.panel.notices import Notice
from seqcast.panel.wording import quoted
from seqcast.reading.cell_patterns import ISO_TIME, PERIODS, ZONED_TIME
from seqcast.reading.columns import TextColumn
from seqcast.reading.frequency_inference import regular_share
from seqcast.reading.table import Table, cell_error, share_hint
from seqcast.reading.time_arrays import FINE_REMEDY, TOO_FINE, Datetimes, Times
from seqcast.reading.time_offsets import in_named_zone

_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_ORDERS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%Y{0}%m{0}%d", "%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d")
_WORDED = (
    *("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d-%b-%y"),
    *("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y", "%Y%m%dT%H%M%S"),
)
_FORMATS = tuple(order.format(mark) + clock for mark in "/.-" for order in _ORDERS for clock in _CLOCKS) + tuple(
    worded + clock for worded in _WORDED for clock in _CLOCKS[:3]
)
"""Formats tried besides ISO 8601."""
_FINE_FRACTION = re.compile(r"\.[0-9]{6}[0-9]*[1-9]")
_EVEN_SHARE = 0.5
"""Least share of regular steps at which a reading has a time, for it to count as evenly spaced."""
_NOT_A_TIME = np.datetime64("NaT", "us")


@dataclass(frozen=True)
class TimeTexts:
    """The texts of a time column and their rows, for errors that name lines."""

    table: Table
    column: str
    text: TextColumn

    @property
    def values(self) -> list[str]:
        """The distinct texts without blanks around them."""
        return [value.strip() for value in self.text.values]

    def error(self, is_wrong: BoolArray, what: str, remedy: str) -> DataError:
        rows = np.flatnonzero(np.append(is_wrong, False)[self.text.codes])
        first = self.text_of(int(rows[0]))
        hint = share_hint(rows, len(self.text.codes), remedy)
        if first.strip() == self.column.strip():
            what, hint = "repeats the header", "Remove the repeated header lines."
        elif _FINE_FRACTION.search(first):
            what, hint = TOO_FINE, share_hint(rows, len(self.text.codes), FINE_REMEDY)
        return cell_error(self.table, self.column, rows, self.text_of, what, hint)

    def text_of(self, row: int) -> str:
        """Returns the text in a row, as written."""
        return self.text.values[int(self.text.codes[row])]

    def complete(self, parsed: Datetimes, form: str) -> Datetimes:
        """Returns the times if all texts were read.

        Raises:
            DataError: One was not; its line is named.
        """
        is_unread = np.isnat(parsed)
        if is_unread.any():
            is_given = self.table.options.time_format is not None
            remedy = f", or the {option('time_format')}" if is_given else f" or give {option('time_format')}"
            raise self.error(is_unread, f"is not a time in {form}", f"Correct them{remedy}.")
        return parsed


def parse_texts(texts: TimeTexts) -> Times:
    """Reads the distinct texts in the one format that fits all of them.

    Returns:
        A time per distinct text.

    Raises:
        DataError: A text does not fit the format of the others, or several formats fit and disagree.
    """
    values, pattern = texts.values, texts.table.options.time_format
    if pattern is not None:
        parsed = texts.complete(strptime(values, pattern), f"the format {pattern}")
        return in_named_zone(texts.column, values, parsed) if has_offset(pattern) else Times(parsed)
    num_plain = sum(ISO_TIME.fullmatch(value) is not None for value in values)
    num_zoned = sum(ZONED_TIME.fullmatch(value) is not None for value in values)
    if num_plain > num_zoned:
        form = "the form 2024-01-31 or 2024-01-31 23:59:59, without offset"
        return Times(texts.complete(_iso_times(values, ISO_TIME, None), form))
    if num_zoned:
        form = "the form 2024-01-31 23:59:59+00:00, with an offset"
        tidy = [re.sub(r" ?UTC$", "Z", re.sub(r" (?=[+-])", "", value)) for value in values]
        return in_named_zone(texts.column, tidy, texts.complete(_iso_times(tidy, ZONED_TIME, "UTC"), form))
    periods = _period_starts(values)
    if periods is not None:
        return Times(texts.complete(periods[0], f"the form {periods[1]}"))
    return _in_listed_format(texts, values)


def strptime(values: list[str], pattern: str) -> Datetimes:
    """Reads texts in a strptime format, as UTC where it has an offset.

    Raises:
        UsageError: The format is not one.
    """
    import pandas as pd

    # pandas reads the words "now" and "today" under any format
    plain = [value if any(letter.isdigit() for letter in value) else None for value in values]
    try:
        texts = pd.Series(plain, dtype="object")
        parsed = pd.to_datetime(texts, format=pattern, errors="coerce", exact=True, utc=has_offset(pattern))
    except (ValueError, re.error) as error:
        raise UsageError(f"{option('time_format', repr(pattern[:60]))} is not a time format: {error}.") from None
    if parsed.dt.tz is not None:
        parsed = parsed.dt.tz_localize(None)
    found = np.asarray(parsed.to_numpy())
    times: Datetimes = found.astype("datetime64[us]")
    times[times != found] = _NOT_A_TIME
    # pandas 2 reads only the years 1678 to 2262
    unread = [row for row in np.flatnonzero(np.isnat(times)) if plain[row] is not None]
    if unread and not np.isnat(_distant_time(values[unread[0]], pattern)):
        times[unread] = [_distant_time(values[row], pattern) for row in unread]
    return times


def _distant_time(value: str, pattern: str) -> np.datetime64:
    """Returns a time outside the years that pandas reads; NaT for any other text."""
    try:
        time = datetime.strptime(value, pattern)
    except ValueError:
        return _NOT_A_TIME
    if 1678 <= time.year < 2262:
        return _NOT_A_TIME
    return np.datetime64(time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None), "us")


def has_offset(pattern: str) -> bool:
    """Returns whether times in a strptime format say how far they are from UTC."""
    return "%z" in pattern or "%Z" in pattern


def _iso_times(values: list[str], shape: re.Pattern[str], zone: str | None) -> Datetimes:
    shaped = [value if shape.fullmatch(value) else None for value in values]
    unit = pa.timestamp("us", zone)
    try:
        return naive(pc.cast(pa.array(shaped, pa.string()), unit))
    except pa.ArrowInvalid:
        # some text is no date, or has more than six digits of a second: read them one at a time
        return np.array([_iso_time(value, unit) for value in shaped], "datetime64[us]")


def _iso_time(value: str | None, unit: pa.DataType) -> np.datetime64:
    short = value and re.sub(r"(\.[0-9]{6})0+", r"\1", value)
    try:
        return np.datetime64(naive(pc.cast(pa.array([short], pa.string()), unit))[0])
    except pa.ArrowInvalid:
        return _NOT_A_TIME


def naive(values: pa.Array) -> Datetimes:
    """Returns an Arrow array of timestamps as numpy datetimes in UTC."""
    return np.asarray(values.cast(pa.timestamp(values.type.unit)).to_numpy(zero_copy_only=False))


def _period_starts(values: list[str]) -> tuple[Datetimes, str] | None:
    """Returns the first day of each period, such as 2024Q1, and the usual form; None if no text is a period.

    A period that its year does not have becomes NaT.
    """
    counts = {form: sum(shape.fullmatch(value) is not None for value in values) for form, shape in PERIODS.items()}
    form = max(counts, key=lambda each: counts[each])
    if not counts[form]:
        return None
    return np.array([_first_day(PERIODS[form].fullmatch(value)) for value in values], "datetime64[us]"), form


def _first_day(match: re.Match[str] | None) -> date | None:
    if match is None:
        return None
    found = {name: int(digits) for name, digits in match.groupdict(default="1").items()}
    try:
        if "week" in found:
            return date.fromisocalendar(found["year"], found["week"], found["day"])
        return date(found["year"], found.get("month", 3 * found.get("quarter", 1) - 2), 1)
    except ValueError:
        return None


def _in_listed_format(texts: TimeTexts, values: list[str]) -> Times:
    """Reads every text in the one listed format that fits all; raises if none does, or several do and disagree."""
    tried = [(pattern, strptime(values, pattern)) for pattern in _FORMATS if _may_fit(values, pattern)]
    fitting = [(pattern, parsed) for pattern, parsed in tried if not np.isnat(parsed).any()]
    readings = {parsed.tobytes(): (pattern, parsed) for pattern, parsed in reversed(fitting)}
    if len(readings) > 1:
        return _evenly_spaced(texts, dict(reversed(readings.values())))
    if not readings:
        nothing = ("", np.full(len(values), _NOT_A_TIME))
        pattern, parsed = min(tried, key=lambda reading: np.count_nonzero(np.isnat(reading[1])), default=nothing)
        form = "a time format that is known" if np.isnat(parsed).all() else f"the format {pattern} of the others"
        texts.complete(parsed, form)
    pattern, parsed = next(iter(readings.values()))
    text = f"times of column {quoted(texts.column)} were read as {pattern}"
    return Times(parsed, (Notice("decision", text),), pattern)


def _evenly_spaced(texts: TimeTexts, readings: dict[str, Datetimes]) -> Times:
    """Returns the one reading whose times are evenly spaced; raises if none is, or several are.

    A reading without gaps goes before one with gaps.
    """
    known = texts.table.options.found_format
    if known in readings:
        return Times(readings[known], found_format=known)
    coverage = {pattern: regular_share(times) for pattern, times in readings.items()}
    complete = [pattern for pattern, share in coverage.items() if share == 1]
    even = complete or [pattern for pattern, share in coverage.items() if share >= _EVEN_SHARE]
    if len(even) != 1:
        first = texts.values[0]
        raise DataError(
            f"times such as {quoted(first)} fit more than one format: {' and '.join(readings)}.",
            place=texts.table.place(texts.column, value=first),
            hint=f"Say which with {option('time_format', repr(next(iter(readings))))}.",
        )
    others = " or ".join(pattern for pattern in readings if pattern != even[0])
    text = f"times of column {quoted(texts.column)} were read as {even[0]}, which spaces them evenly; {others} does not"
    return Times(readings[even[0]], (Notice("decision", text),), even[0])


def _may_fit(values: list[str], pattern: str) -> bool:
    """Returns whether the marks of the first or last text agree with the format, because parsing is slow."""
    marks = re.sub(r"%[A-Za-z]|\w", "", pattern)
    return any(re.sub(r"\w", "", value) == marks for value in (values[0], values[-1]))
