import json
from typing import Any

import pytest

from seqcast.errors import RunError
from seqcast.run import record as record_module
from seqcast.run.record import RunRecord, dump_record, has_own_checksum, parse_record
from tests.run.making_records import FINISHED, RECORD

FILE = "run/run.json"


def values_of(record: RunRecord) -> dict[str, Any]:
    """Return a record as it is written, without its checksum."""
    return {name: value for name, value in json.loads(dump_record(record, FILE)).items() if name != "checksum"}


def parsed(values: dict[str, Any]) -> RunRecord:
    return parse_record(json.dumps(values).encode(), FILE)


@pytest.mark.parametrize("record", [RECORD, FINISHED])
def test_a_record_comes_back_with_and_without_its_checksum(record: RunRecord) -> None:
    assert parse_record(dump_record(record, FILE), FILE) == record
    assert parsed(values_of(record)) == record


def test_changed_content_under_an_old_checksum_is_damage() -> None:
    with pytest.raises(RunError, match=r"run/run\.json: damaged: its checksum is not that of its content\. If it was"):
        parse_record(dump_record(RECORD, FILE).replace(b'"cpu"', b'"gpu"'), FILE)


def test_spaces_and_the_order_of_keys_do_not_change_the_checksum() -> None:
    values = json.loads(dump_record(RECORD, FILE))
    assert parsed(dict(reversed(values.items()))) == RECORD


def test_a_record_from_before_a_field_was_added_keeps_its_checksum() -> None:
    older = values_of(RECORD)
    del older["num_processes"]  # which has a default
    assert parsed(older | {"checksum": record_module._checksum(older)}) == RECORD


def test_a_record_with_a_checksum_of_its_own_is_recognised() -> None:
    assert has_own_checksum(dump_record(RECORD, FILE), FILE)
    assert not has_own_checksum(json.dumps(values_of(RECORD)).encode(), FILE)


def test_names_that_are_too_long_to_be_read_back_are_refused_when_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "LARGEST_RECORD", 4000)
    monkeypatch.setattr(record_module, "ROOM_FOR_RESULTS", 2000)
    many = {"series_ids": tuple("x" * 10 for _ in range(100))}
    with pytest.raises(RunError, match=r"run\.json: the names of the series and columns are too long to keep"):
        dump_record(RECORD.model_copy(update=many), FILE)
    assert dump_record(FINISHED.model_copy(update=many), FILE)
