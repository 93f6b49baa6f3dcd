from __future__ import annotations

import json
from typing import Any

import pytest

from seqcast.errors import RunError
from seqcast.run import record as record_module
from seqcast.run.record import RunRecord, dump_record, has_own_checksum, parse_record
from tests.run.making_records import FINISHED, RECORD

FILE = "run/run.json"


def values_of(record: RunRecord) -> dict[str, Any]:
    """What is written of a record, without its checksum."""
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


def test_spaces_and_the_order_of_keys_are_no_content() -> None:
    values = json.loads(dump_record(RECORD, FILE))
    assert parsed(dict(reversed(values.items()))) == RECORD


def test_a_record_from_before_a_field_was_added_keeps_its_checksum() -> None:
    older = values_of(RECORD)
    del older["num_processes"]  # which has a default
    assert parsed(older | {"checksum": record_module._checksum(older)}) == RECORD


def test_whether_a_record_vouches_for_itself_is_told() -> None:
    assert has_own_checksum(dump_record(RECORD, FILE), FILE)
    assert not has_own_checksum(json.dumps(values_of(RECORD)).encode(), FILE)


@pytest.mark.parametrize("missing", [{"result": None}, {"files": {}}])
def test_a_finished_run_has_a_result_and_a_model(missing: dict[str, Any]) -> None:
    with pytest.raises(RunError, match=r"damaged: it is said to be finished, but has no result"):
        parsed(values_of(FINISHED) | missing)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"format_version": 2, "format_version": 2', "it has a key twice"),
        ('"format_version": 2, "num_threads": NaN', "NaN is no number"),
        ('"format_version": 2, "series_ids": [' + "[]," * 30_000 + "1]", "more parts than seqcast writes"),
        ('"format_version": 2' + "".join(f', "{i}": 1' for i in range(2000)), "more than 1,000 keys"),
    ],
)
def test_json_that_seqcast_does_not_write_is_damage(text: str, reason: str) -> None:
    with pytest.raises(RunError, match=f"damaged: it is not JSON as seqcast writes it: .*{reason}"):
        parse_record(f"{{{text}}}".encode(), FILE)


def test_an_infinite_number_is_damage() -> None:
    text = json.dumps(values_of(FINISHED)).replace('"seconds": 1.5', '"seconds": 1e999')
    with pytest.raises(RunError, match=r"damaged at 'result\.seconds': Input should be a finite number"):
        parse_record(text.encode(), FILE)


def test_of_many_wrong_names_one_is_told() -> None:
    with pytest.raises(RunError, match=r"damaged at 'series_ids\.0': Input should be a valid string"):
        parsed(values_of(RECORD) | {"series_ids": [1] * 100_000})


def test_half_a_character_is_read_as_it_is_written() -> None:
    halved = values_of(RECORD) | {"device": "\ud800"}
    assert parsed(halved | {"checksum": record_module._checksum(halved)}).device == "\ud800"


def test_names_that_are_too_long_to_be_read_back_are_refused_when_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "LARGEST_RECORD", 4000)
    monkeypatch.setattr(record_module, "ROOM_FOR_RESULTS", 2000)
    many = {"series_ids": tuple("x" * 10 for _ in range(100))}
    with pytest.raises(RunError, match=r"run\.json: the names of the series and columns are too long to keep"):
        dump_record(RECORD.model_copy(update=many), FILE)
    assert dump_record(FINISHED.model_copy(update=many), FILE)
