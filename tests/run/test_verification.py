from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest

from seqcast.errors import RunError
from seqcast.run.directory import RunDirectory
from seqcast.run.record import CHECKPOINT_FILE, CONFIG_FILE, METRICS_FILE, MODEL_FILE, RUN_FILE, SCALERS_FILE, RunRecord
from seqcast.run.verification import verify_run


def a_record(files: dict[str, str]) -> RunRecord:
    none = dict.fromkeys(("delimiter", "decimal", "encoding", "time_format", "time_unit", "timezone"))
    data = {
        "path": "data.csv",
        "fingerprint": "0" * 64,
        "size_bytes": 1,
        "num_series": 1,
        "num_rows": 7,
        "num_observed": 7,
        "first_time": "2024-01-01",
        "last_time": "2024-01-07",
        "read_options": {**none, "na_values": [], "text": []},
    }
    columns = {
        "layout": "single",
        "id": "unique_id",
        "time": "ds",
        "target": ["y"],
        "known": [],
        "past": [],
        "static": [],
    }
    shape = {"horizon": 2, "context": 3, "season": 1, "num_past": 0, "num_known": 0, "num_static": 0}
    shape |= {"past_categories": [], "known_categories": [], "static_categories": []}
    facts = {"program_version": "0", "torch_version": "0", "status": "finished", "created": "now", "device": "cpu"}
    facts |= {"precision": "float32", "num_threads": 1, "frequency": "D", "series_ids": ["y"], "files": files}
    return RunRecord.model_validate({**facts, "data": data, "columns": columns, "shape": shape})


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    files = {SCALERS_FILE: directory.write_scalers(b"scalers"), MODEL_FILE: directory.write_model(b"model")}
    directory.write_record(a_record(files))
    return directory


def states(directory: RunDirectory) -> dict[str, str]:
    return {each.name: each.state for each in verify_run(directory)}


def test_files_with_their_checksum_are_intact_and_others_are_told_apart(directory: RunDirectory) -> None:
    found = states(directory)
    assert found[SCALERS_FILE] == found[MODEL_FILE] == "intact"
    assert found[RUN_FILE] == "present"
    assert found[METRICS_FILE] == found[CONFIG_FILE] == "absent"


def test_a_changed_byte_is_damage(directory: RunDirectory) -> None:
    (directory.path / MODEL_FILE).write_bytes(b"modem")
    assert states(directory)[MODEL_FILE] == "damaged"


def test_a_file_that_run_json_names_is_missed(directory: RunDirectory) -> None:
    (directory.path / SCALERS_FILE).unlink()
    (missed,) = [each for each in verify_run(directory) if each.name == SCALERS_FILE]
    assert missed.state == "absent"
    assert missed.detail == "named in run.json, but not there"


def test_a_damaged_record_is_an_error(directory: RunDirectory) -> None:
    text = (directory.path / RUN_FILE).read_text(encoding="utf-8")
    (directory.path / RUN_FILE).write_text(json.dumps({**json.loads(text), "surprise": 1}), encoding="utf-8")
    with pytest.raises(RunError, match="damaged at 'surprise'"):
        verify_run(directory)


def test_what_is_no_plain_file_is_damage(directory: RunDirectory) -> None:
    (directory.path / CHECKPOINT_FILE).mkdir()
    (directory.path / METRICS_FILE).symlink_to("nowhere")
    found = {each.name: each for each in verify_run(directory)}
    assert found[CHECKPOINT_FILE].state == found[METRICS_FILE].state == "damaged"
    assert found[CHECKPOINT_FILE].detail.endswith("is a folder, not a plain file.")


def test_a_huge_file_is_compared_in_little_memory(directory: RunDirectory) -> None:
    os.truncate(directory.path / MODEL_FILE, 2**28)
    tracemalloc.start()
    assert states(directory)[MODEL_FILE] == "damaged"
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
