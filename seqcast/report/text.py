"""Safe text from data files, and the formats of numbers and times on the screen."""

import json
import math
import re
import unicodedata
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from seqcast.panel.arrays import FloatArray
from seqcast.panel.clock import offset_texts
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.panel.wording import MONTHS, WEEKDAYS, show_time

MAX_WIDTH = 80
"""Most terminal columns that a piece of data text may take."""

SENTENCE_WIDTH = 800
"""Most terminal columns, over several lines, for a sentence that quotes data text."""

ACCENT, GOOD, CAUTION, BAD = "color(31)", "color(28)", "color(130)", "color(160)"
"""Colours that can be read on a light and on a dark ground, where the terminal's own cyan, green and yellow cannot."""

_LONG, _TOO_LONG = 1e9, 1e12
"""From the first on, whole numbers have an exponent; from the second on, all numbers have."""

_DAYS_WITHOUT_YEAR = 300
"""Longest range of days whose dates are written without the year."""

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
"""Unicode categories shown as escapes: controls, formats (also bidi), surrogates, unassigned, private, line ends."""


def safe_text(value: str, width: int = MAX_WIDTH) -> Text:
    """Data text for rich: never markup, no control characters, at most `width` columns wide."""
    return Text(plain(value, width))


def plain(value: str, width: int = MAX_WIDTH) -> str:
    """Data text for a message: without control characters and at most `width` columns wide."""
    # Combining marks take no column, so the number of characters is bounded too.
    start = value[: 4 * width]
    shown = "".join(_escaped(character) for character in start)
    if len(start) == len(value) and cell_len(shown) <= width:
        return shown
    return set_cell_size(shown, width - 1).rstrip() + "…"


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNPRINTABLE:
        return character
    code = ord(character)
    if code < 0x100:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_text(value: object) -> str:
    """A JSON document with one line per item. Unprintable characters become escapes; infinities and NaN become null."""
    text = json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False)
    return re.sub(r"[^\n -~]", lambda found: _as_json(found[0]), text)


def _as_json(character: str) -> str:
    return json.dumps(character)[1:-1] if unicodedata.category(character) in _UNPRINTABLE else character


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def number_text(value: float, digits: int = 4) -> str:
    """A number with `digits` significant digits, without an exponent if it stays short; a dash for NaN."""
    if math.isnan(value):
        return "-"
    if value != 0 and not 1e-4 <= abs(value) < _LONG:
        return f"{value:.{digits - 1}e}"
    decimals = digits - 1 - (math.floor(math.log10(abs(value))) if value else 0)
    return f"{value:.{max(0, decimals)}f}"


def number_format(values: FloatArray, digits: int = 4) -> Callable[[float], str]:
    """A format for a column of numbers, all with the same decimals.

    The largest number has at least `digits` digits, and the range of the numbers has at least two.
    """
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max(initial=0))
    distance = float(finite.max(initial=-math.inf) / 2 - finite.min(initial=math.inf) / 2)  # halves do not overflow
    if not 1e-4 <= largest < _TOO_LONG:
        return number_text
    decimals = max(0, digits - 1 - math.floor(math.log10(largest)))
    if distance > 0:
        decimals = max(decimals, 1 - math.floor(math.log10(2 * distance)))
    if largest * 10.0**decimals >= _TOO_LONG or (decimals == 0 and largest >= _LONG):
        return number_text
    return lambda value: "-" if math.isnan(value) else f"{value:.{decimals}f}"


def percent_text(share: float) -> str:
    """A share in percent with one decimal; a dash for NaN."""
    return "-" if math.isnan(share) else f"{100 * share:z.1f} %"


def time_text(time: np.datetime64 | np.int64, frequency: Frequency) -> str:
    """A time as `2024-01-01 05:00`, with seconds if needed, or the date alone at midnight; a step number as it is.

    Where the data name a zone, its offset stands behind the time of day: `2024-01-01 05:00+01:00`.
    """
    if frequency.clock is not None:
        return zoned_time_texts(np.array([time]), frequency)[0]
    text = show_time(time)
    return text.removesuffix(":00") if text.count(":") == 2 else text


def zoned_time_texts(times: TimeArray, frequency: Frequency) -> list[str]:
    """The times of a column as `time_texts`, or each with a time of day and its offset where the data name a zone."""
    clock = frequency.clock
    if clock is None:
        return time_texts(times)
    wall = clock.wall(times.astype("datetime64[us]"))
    offsets = (wall - clock.utc(times.astype("datetime64[us]"))).astype("timedelta64[s]").astype(np.int64)
    days, clocks = _parts(wall)
    parts = zip(days, clocks, offset_texts(offsets), strict=True)
    return [f"{day} {time_of_day or '00:00'}{offset}" for day, time_of_day, offset in parts]


def time_texts(times: TimeArray) -> list[str]:
    """The times of a column, either all with a time of day or none."""
    if times.dtype.kind != "M":
        return [str(time) for time in times]
    days, clocks = _parts(times)
    return [f"{day} {clock}".rstrip() for day, clock in zip(days, clocks, strict=True)]


def weekday_texts(times: TimeArray) -> list[str]:
    """The times of a column as `Tue 31 Dec 13:00`, with the year if they span almost a year or more."""
    if times.dtype.kind != "M":
        return time_texts(times)
    days, clocks = _parts(times)
    has_year = len(days) > 0 and (days.max() - days.min()).astype(np.int64) > _DAYS_WITHOUT_YEAR
    texts = []
    for day, clock in zip(days.tolist(), clocks, strict=True):
        date = f"{WEEKDAYS[day.weekday()][:3]} {day:%d} {MONTHS[day.month - 1][:3]}{f' {day:%Y}' if has_year else ''}"
        texts.append(f"{date} {clock}".rstrip())
    return texts


def _parts(times: TimeArray) -> tuple[NDArray[np.datetime64], list[str]]:
    """The days and the times of day, as short as all of them allow; empty if all are midnight."""
    days = times.astype("datetime64[D]")
    if (times == days).all():
        return days, [""] * len(days)
    unit = next((unit for unit in ("m", "s", "ms") if (times == times.astype(f"datetime64[{unit}]")).all()), "us")
    return days, [str(time).partition("T")[2] for time in times.astype(f"datetime64[{unit}]")]
