"""TOML from an untrusted source, read in time and memory that are a small multiple of its length."""

import re
import tomllib
from typing import Any

LARGEST_TOML = 4 * 2**20
"""Largest configuration file, in bytes. Column names take most of it."""
_LONGEST_KEY = 10
"""Largest number of parts in a dotted key; the time to parse one grows with their square."""
_MOST_MARKS = 10_000
"""Largest number of [, of { and of = outside of strings; a configuration has some fifty settings."""
_TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*+\'?|#[^\n]*+')
"""Strings and comments. One that is not closed ends with its line, so that finding all of them takes one pass."""


def parse_toml(data: bytes) -> dict[str, Any]:
    """Return the tables of a TOML document of bounded size and depth.

    Raises:
        ValueError: The data is not TOML, or exceeds a bound.
    """
    if len(data) > LARGEST_TOML:
        raise ValueError(f"it is larger than {LARGEST_TOML:,} bytes")
    text = data.decode("utf-8")
    outside_strings = _TEXT.sub("", text)
    if "." * _LONGEST_KEY in re.sub(r"[\w \t-]+", "", outside_strings):
        raise ValueError(f"a key has more than {_LONGEST_KEY} parts")
    if any(outside_strings.count(mark) > _MOST_MARKS for mark in "[{="):
        raise ValueError("it has more parts than a configuration")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
