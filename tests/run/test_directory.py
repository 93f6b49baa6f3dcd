from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from seqcast.config import Config
from seqcast.errors import RunError
from seqcast.run.directory import OWN_FILES, RunDirectory, choose_directory, list_runs, newest_run
from seqcast.run.record import (
    CHECKPOINT_FILE,
    CONFIG_FILE,
    FORMAT_VERSION,
    METRICS_FILE,
    MODEL_FILE,
    RUN_FILE,
    SCALERS_FILE,
    DataRecord,
    ReadOptionsRecord,
    RunRecord,
    SchemaRecord,
    ShapeRecord,
)
from seqcast.storage import LOCK_NAME, lock_directory, sha256_hex
from seqcast.training.checkpoint import ValidationRecord

READING = ReadOptionsRecord(
    delimiter=None,
    decimal=None,
    encoding=None,
    time_format=None,
    time_unit=None,
    na_values=("?",),
    timezone=None,
    text=(),
)
DATA = DataRecord(
    path="/data/sales.csv",
    fingerprint="0" * 64,
    size_bytes=7,
    num_series=2,
    num_rows=11,
    num_observed=9,
    first_time="2024-01-01",
    last_time="2024-01-11",
    read_options=READING,
)
SHAPE = ShapeRecord(
    horizon=5,
    context=11,
    season=7,
    num_past=0,
    num_known=2,
    num_static=0,
    past_categories=(),
    known_categories=(),
    static_categories=(),
)
RECORD = RunRecord(
    program_version="0.1",
    torch_version="2.6",
    status="stopped",
    created="2024-02-01T00:00:00+00:00",
    device="cpu",
    precision="float32",
    num_threads=1,
    frequency="D",
    data=DATA,
    columns=SchemaRecord(layout="long", id="unique_id", time="ds", target=("y",), known=(), past=(), static=()),
    series_ids=("a", "b"),
    shape=SHAPE,
)


def make_run(path: Path, *others: str) -> RunDirectory:
    """A directory with a record and other files."""
    path.mkdir(parents=True)
    RunDirectory(path).write_record(RECORD)
    for name in others:
        (path / name).write_text("x")
    return RunDirectory(path)


def choose(run: Path | None, *, overwrite: bool = False, resume: bool = False, data: str = "sales.csv") -> RunDirectory:
    return choose_directory(run, data, overwrite=overwrite, resume=resume)


def edit_record(directory: RunDirectory, **changes: Any) -> None:
    file = directory.path / RUN_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


# The record


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run")

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
    directory = make_run(tmp_path / "run")
    edit_record(directory, format_version=FORMAT_VERSION + 1, program_version="9.7", something_new=True)

    with pytest.raises(
        RunError,
        match=rf"run format {FORMAT_VERSION + 1} is newer than {FORMAT_VERSION}.*seqcast '9\.7'\. Update seqcast",
    ):
        directory.read_record()


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run")
    edit_record(directory, surprise=1)

    with pytest.raises(RunError, match=r"run\.json: damaged at 'surprise': Extra inputs"):
        directory.read_record()


@pytest.mark.parametrize("key", ["status", "shape", "data", "series_ids", "frequency", "device"])
def test_a_missing_key_is_refused(key: str, tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run")
    values = json.loads((directory.path / RUN_FILE).read_text())
    del values[key]
    (directory.path / RUN_FILE).write_text(json.dumps(values))

    with pytest.raises(RunError, match=f"damaged at '{key}': Field required"):
        directory.read_record()


@pytest.mark.parametrize(
    ("key", "value"), [("horizon", 0), ("context", 10**9), ("num_known", -1), ("static_categories", [10**12])]
)
def test_an_absurd_size_is_refused_before_anything_is_built(key: str, value: object, tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run")
    edit_record(directory, shape=SHAPE.model_dump() | {key: value})

    with pytest.raises(RunError, match=rf"damaged at 'shape\.{key}"):
        directory.read_record()


def test_a_linked_record_is_refused(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run")
    (directory.path / RUN_FILE).rename(tmp_path / "elsewhere.json")
    (directory.path / RUN_FILE).symlink_to(tmp_path / "elsewhere.json")

    with pytest.raises(RunError, match=r"run\.json: is a symbolic link, not a plain file"):
        directory.read_record()


# Files and their checksums


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
    assert directory.read_checkpoint() == b"state"


def test_metrics_have_a_line_per_validation(tmp_path: Path) -> None:
    history = tuple(ValidationRecord(step, 0.5, 0.25, None, 0.001) for step in (2, 4))

    RunDirectory(tmp_path).write_metrics(history)

    lines = (tmp_path / METRICS_FILE).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
    assert json.loads(lines[0])["relative_mae"] is None


# Choosing a directory


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("sales.csv", "sales-1"),
        ("/tmp/some where/my data (2).csv.gz", "my_data_2-1"),
        ("<stdin>", "stdin-1"),
        ("../../etc.csv", "etc-1"),
        (".csv", "data-1"),
        ("é.csv", "data-1"),
        ("x" * 300 + ".csv", "x" * 60 + "-1"),
    ],
)
def test_a_run_without_name_is_named_after_its_data(data: str, name: str, in_tmp_path: Path) -> None:
    assert choose(None, data=data).path == Path("runs") / name
    assert (in_tmp_path / "runs" / name).is_dir()


def test_each_run_gets_the_first_free_number(in_tmp_path: Path) -> None:
    (in_tmp_path / "runs" / "sales-2").mkdir(parents=True)

    assert [choose(None).path.name for _ in range(3)] == ["sales-1", "sales-3", "sales-4"]


def test_a_runs_folder_that_cannot_be_made_is_named(in_tmp_path: Path) -> None:
    (in_tmp_path / "runs").write_text("a file")

    with pytest.raises(RunError, match=r"runs: cannot be made: .*\. Give another --run"):
        choose(None)


def test_a_numbered_run_that_cannot_be_made_is_named(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (in_tmp_path / "runs").mkdir()

    def full(_path: Path, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seqcast.run.directory._make", lambda _path: None)
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(RunError, match=r"runs/sales-1: cannot be made: No space left on device"):
        choose(None)


def test_a_named_run_is_made_with_its_parents(tmp_path: Path) -> None:
    assert choose(tmp_path / "deep" / "run").path.is_dir()


def test_an_empty_directory_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()

    assert choose(tmp_path / "run").path == tmp_path / "run"


def test_a_directory_that_a_killed_process_only_locked_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK_NAME).write_text("process 1 on host\n")

    assert choose(tmp_path / "run").path == tmp_path / "run"


def test_a_run_is_never_overwritten_silently(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", MODEL_FILE)

    with pytest.raises(RunError, match=r"there is a run here already\. Give --resume, --overwrite or another --run"):
        choose(directory.path)
    assert (directory.path / MODEL_FILE).read_text() == "x"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_of_other_files_is_refused(overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")

    with pytest.raises(RunError, match=r"it is not empty and holds no run\. Give another --run"):
        choose(tmp_path, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").exists()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(RunError, match="it is not empty and holds no run"):
        choose(tmp_path / "file")


def test_overwriting_removes_the_files_of_a_run_and_no_others(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", *OWN_FILES[1:], "notes.txt")

    choose(directory.path, overwrite=True)

    assert {path.name for path in directory.path.iterdir()} - {LOCK_NAME} == {"notes.txt"}


def test_overwriting_removes_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run")
    (tmp_path / "precious").write_text("x")
    (directory.path / MODEL_FILE).symlink_to(tmp_path / "precious")

    choose(directory.path, overwrite=True)

    assert (tmp_path / "precious").read_text() == "x"
    assert {path.name for path in directory.path.iterdir()} <= {LOCK_NAME}


def test_a_run_that_is_being_trained_is_not_overwritten(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", CHECKPOINT_FILE)

    with lock_directory(directory.path), pytest.raises(RunError, match="is being written by process"):
        choose(directory.path, overwrite=True)
    assert directory.has_checkpoint()
    assert directory.read_record() == RECORD


def test_overwriting_nothing_makes_a_new_run(tmp_path: Path) -> None:
    assert choose(tmp_path / "run", overwrite=True).path.is_dir()


def test_a_run_to_resume_is_left_as_it_is(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", CHECKPOINT_FILE)

    assert choose(directory.path, resume=True) == directory
    assert directory.has_checkpoint()


def test_a_run_to_resume_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no seqcast run here"):
        choose(tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_without_name_the_newest_run_is_resumed(in_tmp_path: Path) -> None:
    make_run(in_tmp_path / "runs" / "a-1")
    set_age(in_tmp_path / "runs" / "a-1", 10)
    make_run(in_tmp_path / "runs" / "b-1")

    assert choose(None, resume=True).path == Path("runs/b-1")


# Listing runs


def set_age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path / RUN_FILE, (then, then))


def test_runs_are_listed_newest_first_by_their_record(tmp_path: Path) -> None:
    for name, age in (("a-1", 30), ("b-1", 10), ("a-2", 20)):
        set_age(make_run(tmp_path / name).path, age)
    (tmp_path / "no-run").mkdir()
    (tmp_path / "file").write_text("x")

    assert [run.path.name for run in list_runs(tmp_path)] == ["b-1", "a-2", "a-1"]
    assert newest_run(tmp_path).path == tmp_path / "b-1"


def test_without_a_runs_folder_there_are_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "runs") == []
    with pytest.raises(RunError, match=r"there is no run under .*runs/\. Train one with `seqcast train DATA`"):
        newest_run(tmp_path / "runs")
