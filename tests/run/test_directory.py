import json
from pathlib import Path

import pytest

from seqcast.config import Config
from seqcast.errors import RunError
from seqcast.run.directory import RunDirectory
from seqcast.run.record import CONFIG_FILE, METRICS_FILE, MODEL_FILE, RUN_FILE, SCALERS_FILE
from seqcast.storage import sha256_hex
from seqcast.training.counters import ValidationRecord
from tests.run.making_records import RECORD, bare_run


def test_a_directory_without_a_record_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"there is no seqcast run here \(no run\.json\)\. `seqcast runs` lists the runs"
    ):
        RunDirectory(tmp_path).read_record()


@pytest.mark.parametrize("key", ["status", "shape", "data", "series_ids", "frequency", "device"])
def test_a_missing_key_is_refused(key: str, tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run")
    values = json.loads((directory.path / RUN_FILE).read_text())
    del values[key]
    (directory.path / RUN_FILE).write_text(json.dumps(values))
    with pytest.raises(RunError, match=f"damaged at '{key}': Field required"):
        directory.read_record()


def test_a_configuration_comes_back_as_it_was_written(tmp_path: Path) -> None:
    directory, config = RunDirectory(tmp_path), Config().override(model={"hidden": 7}, data={"known": ("a",)})
    checksum = directory.write_config(config)
    assert directory.read_config(RECORD.model_copy(update={"files": {CONFIG_FILE: checksum}})) == config


@pytest.mark.parametrize("text", ["[model]\nhidden = 0\n", "[model]\nsurprise = 1\n", "[model\n", "\udcff"])
def test_a_configuration_that_makes_no_sense_is_refused(text: str, tmp_path: Path) -> None:
    data = text.encode("utf-8", "surrogateescape")
    (tmp_path / CONFIG_FILE).write_bytes(data)
    with pytest.raises(RunError, match=r"config\.toml: damaged: "):
        RunDirectory(tmp_path).read_config(RECORD.model_copy(update={"files": {CONFIG_FILE: sha256_hex(data)}}))


@pytest.mark.parametrize("name", [CONFIG_FILE, SCALERS_FILE, MODEL_FILE])
def test_a_file_that_is_not_the_one_that_was_written_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"other")
    for files in ({name: sha256_hex(b"written")}, {}):
        with pytest.raises(RunError, match=rf"{name}: damaged: its checksum is not the one in run\.json\. Restore"):
            RunDirectory(tmp_path).read_verified(name, RECORD.model_copy(update={"files": files}), 100)


def test_written_bytes_come_back_and_their_checksum_is_told(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    checksums = {
        MODEL_FILE: directory.write(MODEL_FILE, b"model"),
        SCALERS_FILE: directory.write(SCALERS_FILE, b"scalers"),
    }
    record = RECORD.model_copy(update={"files": checksums})
    assert directory.read_verified(MODEL_FILE, record, 100) == b"model"
    assert directory.read_verified(SCALERS_FILE, record, 100) == b"scalers"


def test_a_checkpoint_comes_back_as_it_was_written(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert not directory.has_checkpoint()
    directory.write_checkpoint(b"state")
    assert directory.has_checkpoint()
    assert directory.read_checkpoint(5) == b"state"
    with pytest.raises(RunError, match=r"checkpoint\.safetensors: is too large: 5 bytes, at most 4 allowed"):
        directory.read_checkpoint(4)


def test_metrics_have_a_line_per_validation(tmp_path: Path) -> None:
    history = tuple(ValidationRecord(step, 0.5, 0.25, None, 0.001, 1) for step in (2, 4))
    RunDirectory(tmp_path).write_metrics(history)
    lines = (tmp_path / METRICS_FILE).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
    assert json.loads(lines[0])["relative_mae"] is None
