"""Text from data files made safe to print, and the way numbers and times are written on the screen."""

from __future__ import annotations

import math
import unicodedata

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from seqcast.data.frequency import show_time

MAX_WIDTH = 80
"""Columns of a terminal that a piece of data text may take."""

SENTENCE_WIDTH = 800
"""The same for a sentence that quotes pieces of data text; it is wrapped."""

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
    if value != 0 and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits - 1}e}"
    decimals = digits - 1 - (math.floor(math.log10(abs(value))) if value else 0)
    return f"{value:.{max(0, decimals)}f}"


def percent_text(share: float) -> str:
    """A share as percent with one decimal; a dash for NaN."""
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"


def time_text(time: np.datetime64 | np.int64) -> str:
    """A time as `2024-01-01 05:00`, with seconds or a date alone where that says it all; a step number as it is."""
    text = show_time(time)
    return text.removesuffix(":00") if text.count(":") == 2 else text
