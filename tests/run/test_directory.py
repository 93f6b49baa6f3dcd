from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from seqcast.config import Config
from seqcast.errors import RunError
from seqcast.run.directory import RunDirectory
from seqcast.run.record import (
    CHECKSUM_KEY,
    CONFIG_FILE,
    FORMAT_VERSION,
    METRICS_FILE,
    MODEL_FILE,
    RUN_FILE,
    SCALERS_FILE,
)
from seqcast.storage import sha256_hex
from seqcast.training.counters import ValidationRecord
from tests.run.making_records import RECORD, SHAPE, bare_run


def edit_record(directory: RunDirectory, **changes: Any) -> None:
    file = directory.path / RUN_FILE
    kept = json.loads(file.read_text())
    kept.pop(CHECKSUM_KEY, None)
    file.write_text(json.dumps(kept | changes))


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run")

    assert directory.read_record() == RECORD


def test_a_directory_without_a_record_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"there is no seqcast run here \(no run\.json\)\. `seqcast runs` lists the runs"
    ):
        RunDirectory(tmp_path).read_record()


@pytest.mark.parametrize("content", [b"", b"{", b"not json", b"\xff\xfe", b"[" * 100_000])
def test_a_record_that_is_not_json_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / RUN_FILE).write_bytes(content)

    with pytest.raises(RunError, match=r"run\.json: damaged: it is not JSON"):
        RunDirectory(tmp_path).read_record()


@pytest.mark.parametrize("content", ["[]", "3", "null", '"text"'])
def test_a_record_that_is_no_object_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / RUN_FILE).write_text(content)

    with pytest.raises(RunError, match=r"run\.json: damaged: it is not a JSON object"):
        RunDirectory(tmp_path).read_record()


def test_a_record_of_a_newer_format_is_refused_with_the_version_that_wrote_it(tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run")
    edit_record(directory, format_version=FORMAT_VERSION + 1, program_version="9.7", something_new=True)

    with pytest.raises(
        RunError,
        match=rf"run format {FORMAT_VERSION + 1} is newer than {FORMAT_VERSION}.*seqcast '9\.7'\. Update seqcast",
    ):
        directory.read_record()


@pytest.mark.parametrize(
    ("changes", "place"),
    [({"surprise": 1}, "surprise"), ({"shape": asdict(SHAPE) | {"surprise": 1}}, "shape.surprise")],
)
def test_an_unknown_key_is_refused(changes: dict[str, Any], place: str, tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run")
    edit_record(directory, **changes)

    with pytest.raises(RunError, match=rf"run\.json: damaged at '{place}': (Extra inputs|Unexpected)"):
        directory.read_record()


@pytest.mark.parametrize("key", ["status", "shape", "data", "series_ids", "frequency", "device"])
def test_a_missing_key_is_refused(key: str, tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run")
    values = json.loads((directory.path / RUN_FILE).read_text())
    del values[key]
    (directory.path / RUN_FILE).write_text(json.dumps(values))

    with pytest.raises(RunError, match=f"damaged at '{key}': Field required"):
        directory.read_record()


@pytest.mark.parametrize(
    ("key", "value"), [("horizon", 0), ("context", 10**9), ("num_known", -1), ("static_categories", [10**12])]
)
def test_an_absurd_size_is_refused_before_anything_is_built(key: str, value: object, tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run")
    edit_record(directory, shape=asdict(SHAPE) | {key: value})

    with pytest.raises(RunError, match=rf"damaged at 'shape\.{key}"):
        directory.read_record()


def test_a_linked_record_is_refused(tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run")
    (directory.path / RUN_FILE).rename(tmp_path / "elsewhere.json")
    (directory.path / RUN_FILE).symlink_to(tmp_path / "elsewhere.json")

    with pytest.raises(RunError, match=r"run\.json: is a symbolic link, not a plain file"):
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
            RunDirectory(tmp_path).read_verified(name, RECORD.model_copy(update={"files": files}))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"model\.safetensors: there is no such file"):
        RunDirectory(tmp_path).read_verified(MODEL_FILE, RECORD)


def test_a_linked_file_is_refused_even_with_the_right_content(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"model")
    (tmp_path / MODEL_FILE).symlink_to(tmp_path / "elsewhere")
    record = RECORD.model_copy(update={"files": {MODEL_FILE: sha256_hex(b"model")}})

    with pytest.raises(RunError, match=r"model\.safetensors: is a symbolic link"):
        RunDirectory(tmp_path).read_verified(MODEL_FILE, record)


def test_written_bytes_come_back_and_their_checksum_is_told(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)

    checksums = {MODEL_FILE: directory.write_model(b"model"), SCALERS_FILE: directory.write_scalers(b"scalers")}

    record = RECORD.model_copy(update={"files": checksums})
    assert directory.read_verified(MODEL_FILE, record) == b"model"
    assert directory.read_verified(SCALERS_FILE, record) == b"scalers"


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
