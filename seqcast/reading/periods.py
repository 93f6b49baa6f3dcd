"""Times that name a period: quarters (2024Q1, Q1 2024), ISO weeks (2024-W05, 2024-W05-1) and months (2024M05)."""

from __future__ import annotations

import re
from datetime import date

import numpy as np
from numpy.typing import NDArray

from seqcast.reading.cell_patterns import PERIODS


def period_starts(values: list[str]) -> tuple[NDArray[np.datetime64], str] | None:
    """The first day of each period, and the form that most texts have; None where no text names a period.

    Texts of another form, and periods that their year does not have, become NaT.
    """
    counts = {form: sum(shape.fullmatch(value) is not None for value in values) for form, shape in PERIODS.items()}
    form = max(counts, key=lambda each: counts[each])
    if not counts[form]:
        return None
    days = [_first_day(PERIODS[form].fullmatch(value)) for value in values]
    return np.array(days, "datetime64[s]"), form


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
