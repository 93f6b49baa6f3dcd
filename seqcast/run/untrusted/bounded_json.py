"""JSON from an untrusted source, read in time and memory that are a small multiple of its length."""

import json
import re
from functools import partial

MOST_KEYS = 1000
"""Largest number of keys in one object; those that seqcast writes have a fixed few."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A string; one that is not closed ends with the text, so that finding all strings takes one pass."""


def parse_json(data: bytes | str, most_marks: int, most_keys: int = MOST_KEYS) -> object:
    """Return the value of a JSON text that has no duplicate keys, NaN or Infinity.

    Args:
        data: The text; bytes are UTF-8.
        most_marks: Largest number of [, { and : outside of strings. Python needs a hundred bytes for the two of
            `[]`, so this, more than the length, bounds the memory.
        most_keys: Largest number of keys in one object.

    Raises:
        ValueError: The text is not JSON, or exceeds a bound.
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
