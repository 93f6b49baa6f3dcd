"""JSON from whomever it comes, read in time and memory that are a small multiple of its length."""

from __future__ import annotations

import json
import re
from functools import partial

MOST_KEYS = 1000
"""Of one object; those that seqcast writes have a fixed few."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""An unclosed one goes to the end, so that finding all of them takes one pass."""


def parse_json(data: bytes | str, most_marks: int, most_keys: int = MOST_KEYS) -> object:
    """The value of a JSON text in which no key stands twice, and no number is called NaN or Infinity.

    Args:
        data: The text; bytes are UTF-8.
        most_marks: How many [, { and : it may have outside of strings. Python needs a hundred bytes for the two of
            `[]`, so this, more than the length, bounds the memory.
        most_keys: How many keys one object may have.

    Raises:
        ValueError: It is no such text.
    """
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    outside_strings = _STRING.sub("", text)
    if sum(map(outside_strings.count, "[{:")) > most_marks:
        raise ValueError("it has more parts than seqcast writes")
    try:
        return json.loads(text, object_pairs_hook=partial(_object, most_keys), parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(most_keys: int, pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > most_keys:
        raise ValueError(f"an object in it has more than {most_keys:,} keys")
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a key twice")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")
