"""Patterns of values in text: missing values, numbers, and times."""

import re

MISSING_WORDS = frozenset(
    {"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "NAN", "NULL", "null", "None", "NaT"}
)
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
DECORATED_NUMBER = re.compile(
    r"[(+\-\u2212]?[$€£¥]? ?[+\-\u2212]?"
    r"([0-9]{1,3}([,.' \u2019\u00a0\u2009\u202f][0-9]{3})+([.,][0-9]+)?|[0-9]+([.,][0-9]+)?)"
    r"[ \u00a0]?[%$€£¥]?[)\-]?"
)
"""A number as people write it: with currency, percent or thousands signs, or an unusual minus sign."""
CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?[AaPp][Mm])?")
INTEGER = re.compile(r"[+-]?[0-9]+")
ISO_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?)?")
ZONED_TIME = re.compile(ISO_TIME.pattern + r" ?(Z|UTC|[+-][0-9]{2}:?([0-9]{2})?)")
PERIODS = {
    "2024Q1": re.compile(r"(?P<year>[0-9]{4})[- ]?[Qq](?P<quarter>[1-4])"),
    "Q1 2024": re.compile(r"[Qq](?P<quarter>[1-4])[- ]?(?P<year>[0-9]{4})"),
    "2024-W05": re.compile(r"(?P<year>[0-9]{4})-?W(?P<week>[0-9]{2})(-?(?P<day>[1-7]))?"),
    "2024M05": re.compile(r"(?P<year>[0-9]{4})M(?P<month>[0-9]{2})"),
}
"""Patterns of periods, each under an example."""

_CLOCK = r"([ T][0-9].*)?"
_TIMELIKE = re.compile(
    rf"[0-9]{{1,4}}[/.-][0-9]{{1,2}}[/.-][0-9]{{1,4}}{_CLOCK}"
    rf"|[0-9]{{1,2}}[ -][A-Za-z]{{3,9}}[ -][0-9]{{2,4}}{_CLOCK}"
    rf"|[A-Za-z]{{3,9}} ([0-9]{{1,2}}, )?[0-9]{{4}}{_CLOCK}"
    r"|[0-9]{4}-[0-9]{2}|[0-9]{8}T[0-9]{6}"
)


def looks_like_time(text: str) -> bool:
    """Returns whether a text looks like a time that some format could read."""
    return any(shape.fullmatch(text) for shape in (ISO_TIME, ZONED_TIME, *PERIODS.values(), _TIMELIKE))
