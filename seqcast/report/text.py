"""Text from data files made safe to print, and the way numbers and times are written on the screen."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from seqcast.data.frequency import WEEKDAYS, TimeArray, show_time
from seqcast.data.panel import FloatArray

MAX_WIDTH = 80
"""Columns of a terminal that a piece of data text may take."""

SENTENCE_WIDTH = 800
"""The same for a sentence that quotes pieces of data text; it is wrapped."""

_LONG, _TOO_LONG = 1e9, 1e12
"""From the first on, whole numbers are written with an exponent; from the second on, all are."""

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
"""Unicode categories shown as escapes: controls, formats (bidi too), surrogates, unassigned, private, line ends."""


def safe_text(value: str, width: int = MAX_WIDTH) -> Text:
    """Data text as a renderable: never markup, no control characters, at most `width` columns wide."""
    return Text(plain(value, width))


def plain(value: str, width: int = MAX_WIDTH) -> str:
    """Data text for a plain message: `safe_text` as a string."""
    # Combining marks take no column, hence the bound on characters as well.
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


def number_text(value: float, digits: int = 4) -> str:
    """A number to `digits` significant digits, without an exponent where it stays short; a dash for NaN."""
    if math.isnan(value):
        return "-"
    if value != 0 and not 1e-4 <= abs(value) < _LONG:
        return f"{value:.{digits - 1}e}"
    decimals = digits - 1 - (math.floor(math.log10(abs(value))) if value else 0)
    return f"{value:.{max(0, decimals)}f}"


def number_format(values: FloatArray, digits: int = 4) -> Callable[[float], str]:
    """How to write the numbers of a column under each other: all with the same decimals.

    As many as give `digits` digits to the largest, and two to the distance of the largest and the smallest.
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
    """A share as percent with one decimal; a dash for NaN."""
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"


def time_text(time: np.datetime64 | np.int64) -> str:
    """A time as `2024-01-01 05:00`, with seconds or a date alone where that says it all; a step number as it is."""
    text = show_time(time)
    return text.removesuffix(":00") if text.count(":") == 2 else text


def time_texts(times: TimeArray, *, weekday: bool = False) -> list[str]:
    """The times of a column, all with a clock or none; `weekday` puts `Mon` before them."""
    if times.dtype.kind != "M":
        return [str(time) for time in times]
    clock = times - times.astype("datetime64[D]")
    if not clock.astype(np.int64).any():
        texts = [str(day) for day in times.astype("datetime64[D]")]
    elif (times == times.astype("datetime64[m]")).all():
        texts = [str(minute).replace("T", " ") for minute in times.astype("datetime64[m]")]
    else:
        texts = [show_time(time) for time in times]
    if not weekday:
        return texts
    days = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970 began on a Thursday
    return [f"{WEEKDAYS[day][:3]} {text}" for day, text in zip(days, texts, strict=True)]
