import json
import os
import tracemalloc
from pathlib import Path

import pytest

from seqcast.errors import RunError
from seqcast.run.directory import RunDirectory
from seqcast.run.record import CHECKPOINT_FILE, CONFIG_FILE, METRICS_FILE, MODEL_FILE, RUN_FILE, SCALERS_FILE
from seqcast.run.verification import verify_run
from tests.run.making_records import RECORD


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    files = {SCALERS_FILE: directory.write(SCALERS_FILE, b"scalers"), MODEL_FILE: directory.write(MODEL_FILE, b"model")}
    directory.write_record(RECORD.model_copy(update={"status": "training", "files": files}))
    return directory


def states(directory: RunDirectory) -> dict[str, str]:
    return {each.name: each.state for each in verify_run(directory)}


def test_every_file_is_listed_with_its_state_and_the_reason(directory: RunDirectory) -> None:
    (directory.path / METRICS_FILE).write_text('{"step": 0}\n{"step": 2}\n')
    found = {each.name: (each.state, each.detail) for each in verify_run(directory)}
    agrees = ("intact", "its checksum in run.json agrees")
    assert found == {
        RUN_FILE: ("intact", "its own checksum agrees"),
        CONFIG_FILE: ("missing", "a run needs it, but it is not there"),
        MODEL_FILE: agrees,
        SCALERS_FILE: agrees,
        CHECKPOINT_FILE: ("absent", "not written"),
        METRICS_FILE: ("unchecked", "it has no checksum; its 2 lines can be read"),
    }


def test_a_record_without_its_checksum_is_unchecked(directory: RunDirectory) -> None:
    values = json.loads((directory.path / RUN_FILE).read_text(encoding="utf-8"))
    del values["checksum"]
    (directory.path / RUN_FILE).write_text(json.dumps(values), encoding="utf-8")
    assert states(directory)[RUN_FILE] == "unchecked"


def test_a_model_from_before_training_went_on_is_unchecked(directory: RunDirectory) -> None:
    directory.write_record(directory.read_record().model_copy(update={"files": {}}))
    assert states(directory)[MODEL_FILE] == "unchecked"
    assert states(directory)[SCALERS_FILE] == "damaged"


def test_a_stopped_run_without_its_state_is_reported(directory: RunDirectory) -> None:
    directory.write_record(directory.read_record().model_copy(update={"status": "stopped"}))
    (missed,) = [each for each in verify_run(directory) if each.name == CHECKPOINT_FILE]
    assert (missed.state, missed.detail) == ("missing", "the run was stopped with its state saved, but it is not there")
    assert not missed.is_good


@pytest.mark.parametrize("content", [b"\x1b[31m", b"{", b'{"step": NaN}', b"\xff"])
def test_metrics_that_cannot_be_read_are_damage(content: bytes, directory: RunDirectory) -> None:
    (directory.path / METRICS_FILE).write_bytes(b'{"step": 0}\n' + content)
    assert states(directory)[METRICS_FILE] == "damaged"


def test_a_damaged_record_is_an_error(directory: RunDirectory) -> None:
    text = (directory.path / RUN_FILE).read_text(encoding="utf-8")
    (directory.path / RUN_FILE).write_text(json.dumps({**json.loads(text), "surprise": 1}), encoding="utf-8")
    with pytest.raises(RunError, match="damaged at 'surprise'"):
        verify_run(directory)


def test_a_folder_or_link_in_place_of_a_file_is_damage(directory: RunDirectory) -> None:
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
