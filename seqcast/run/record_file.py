"""run.json as text: how a record is written, and how one from whomever it comes is read."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from seqcast.errors import Place, RunError
from seqcast.run.record import FORMAT_VERSION, MODEL_FILE, RunRecord
from seqcast.run.untrusted.bounded_json import parse_json
from seqcast.storage import sha256_hex

CHECKSUM_KEY = "checksum"
LARGEST_RECORD = 32 * 2**20
"""Bytes; the names of very many series are the longest part."""
ROOM_FOR_RESULTS = 4 * 2**20
"""Bytes of that which training fills, so that no record turns out too long when it has ended."""
MOST_MARKS = 20_000
"""What a record has of [, { and : besides the names of series and columns."""
_LONGEST_SHOWN = 80


def dump_record(record: RunRecord, file: str) -> bytes:
    """The record as the bytes of `file`, a checksum of its content behind it.

    Raises:
        RunError: It would be too large to be read back.
    """
    values = record.model_dump(mode="json")
    data = (json.dumps(values | {CHECKSUM_KEY: _checksum(values)}, indent=1) + "\n").encode()
    if len(data) > LARGEST_RECORD - (ROOM_FOR_RESULTS if record.result is None else 0):
        raise RunError(
            f"the names of the series and columns are too long to keep ({len(data):,} bytes).",
            place=Place(file=file),
            hint="Give fewer series, or shorter names.",
        )
    return data


def parse_record(data: bytes, file: str) -> RunRecord:
    """The record in the bytes of `file`.

    Raises:
        RunError: It is damaged, contradicts itself, or was written by a newer seqcast.
    """
    values = _parse_object(data, file)
    _require_known_format(values, file)
    checksum = values.pop(CHECKSUM_KEY, None)
    try:
        record = RunRecord.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RunError(f"damaged at {key[:_LONGEST_SHOWN]!r}: {first['msg']}.", place=Place(file=file)) from None
    if checksum not in (None, _checksum(values)):
        hint = f"If it was changed by hand, take the line {CHECKSUM_KEY!r} out."
        raise _damaged(file, "its checksum is not that of its content", hint)
    if record.status == "finished" and (record.result is None or MODEL_FILE not in record.files):
        raise _damaged(file, "it is said to be finished, but has no result")
    return record


def has_own_checksum(data: bytes, file: str) -> bool:
    """Whether a record that can be read has a checksum of its own.

    Raises:
        RunError: It cannot be read.
    """
    return _parse_object(data, file).get(CHECKSUM_KEY) is not None


def _parse_object(data: bytes, file: str) -> dict[str, Any]:
    try:
        values = parse_json(data, MOST_MARKS)
    except ValueError as error:
        raise _damaged(file, f"it is not JSON as seqcast writes it: {error}") from None
    if not isinstance(values, dict):
        raise _damaged(file, "it is not a JSON object")
    return values


def _require_known_format(values: dict[str, Any], file: str) -> None:
    version = values.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise RunError(
            f"run format {str(version)[:20]} is newer than {FORMAT_VERSION}, which this seqcast reads; it was written"
            f" by seqcast {str(values.get('program_version'))[:20]!r}.",
            place=Place(file=file),
            hint="Update seqcast.",
        )
    if type(version) is not int or version < 1:
        raise _damaged(file, f"{str(version)[:20]!r} is no run format")
    if version < FORMAT_VERSION:
        raise RunError(
            f"run format {version} is older than {FORMAT_VERSION}, the only one this seqcast reads.",
            place=Place(file=file),
            hint="Train again.",
        )


def _damaged(file: str, reason: str, hint: str | None = None) -> RunError:
    return RunError(f"damaged: {reason}.", place=Place(file=file), hint=hint)


def _checksum(values: dict[str, Any]) -> str:
    """Of what the file says, not of what is made of it: a later version may know more fields."""
    return sha256_hex(json.dumps(values, sort_keys=True).encode())
