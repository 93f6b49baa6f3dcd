"""Words for messages: times, durations, counts, and names from the data."""

from collections.abc import Iterable

import numpy as np

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_LONGEST_TEXT = 80


def show_time(time: np.datetime64 | np.int64 | int) -> str:
    """Returns a time as text: the date alone at midnight, no trailing zeros, a step number as it is."""
    if not isinstance(time, np.datetime64):
        return str(time)
    text = str(time).replace("T", " ")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.removesuffix(" 00:00:00")


def counted(number: int, noun: str) -> str:
    """Returns `1 step`, `2 steps`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def seconds_text(seconds: float) -> str:
    """Returns a time that something takes, such as `40 s`, `3 min` or `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def duration_text(amount: int, parts: tuple[tuple[int, str], ...], smallest: int) -> str:
    """Returns a duration in words, such as `1 day 13 hours`; 0 is named in the largest unit up to `smallest`, one step.

    `parts` are size and name of each unit of time, largest first; the other numbers are in the same unit as the sizes.
    """
    if amount == 0:
        return counted(0, next((noun for size, noun in parts if size <= smallest), parts[-1][1]))
    words = []
    for size, noun in parts:
        number, amount = divmod(amount, size)
        if number:
            words.append(counted(number, noun))
    return " ".join(words)


def quoted(text: str) -> str:
    """Returns text of the data for a message: quoted, control characters escaped, cut to 80 characters."""
    return repr(text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "...")


def name_list(names: Iterable[str], most: int = 20) -> str:
    """Returns names for a message, quoted and separated by commas; those beyond `most` are only counted."""
    every = list(names)
    return listed(map(quoted, every[:most]), len(every) - most)


def listed(words: Iterable[str], num_more: int) -> str:
    """Returns words separated by commas, and how many more there are."""
    return ", ".join(words) + (f" and {num_more:,} more" if num_more > 0 else "")
