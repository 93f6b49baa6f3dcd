import os
import time
from pathlib import Path

import pytest

from seqcast.errors import RunError
from seqcast.run.directory import (
    OWN_FILES,
    RunDirectory,
    choose_directory,
    find_run,
    newest_finished_run,
)
from seqcast.run.record import CHECKPOINT_FILE, CONFIG_FILE, MODEL_FILE, RUN_FILE, SCALERS_FILE
from seqcast.storage import LOCK_NAME, lock_directory
from tests.run.making_records import FINISHED, RECORD, bare_run


def choose(run: Path | None, *, overwrite: bool = False, resume: bool = False, data: str = "sales.csv") -> RunDirectory:
    return choose_directory(run, data, overwrite=overwrite, resume=resume)


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

    monkeypatch.setattr("seqcast.run.directory.make_directory", lambda _path: None)
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(RunError, match=r"runs/sales-1: cannot be made: No space left on device"):
        choose(None)


LEFT = ".seqcast-0123456789abcdef.tmp"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_named_run_is_made_with_its_parents(overwrite: bool, tmp_path: Path) -> None:
    assert choose(tmp_path / "deep" / "run", overwrite=overwrite).path.is_dir()


@pytest.mark.parametrize("left", [(), (LOCK_NAME,), (LEFT,)])
def test_a_directory_with_nothing_but_what_a_kill_left_may_be_used(left: tuple[str, ...], tmp_path: Path) -> None:
    for name in left:
        (tmp_path / name).write_text("process 1 on host\n")
    assert choose(tmp_path).path == tmp_path


def test_a_run_is_never_overwritten_silently(tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run", MODEL_FILE)
    with pytest.raises(RunError, match=r"there is a run here already\. Give --resume, --overwrite or another --run"):
        choose(directory.path)
    assert (directory.path / MODEL_FILE).read_text() == "x"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_of_other_files_is_refused(overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    for path in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(RunError, match=r"it is not empty and holds no run\. Give another --run"):
            choose(path, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("left", [[CONFIG_FILE], [CONFIG_FILE, SCALERS_FILE, LOCK_NAME, LEFT]])
def test_what_a_kill_before_the_first_record_leaves_is_overwritten_when_asked(left: list[str], tmp_path: Path) -> None:
    for name in left:
        (tmp_path / name).write_text("x")
    with pytest.raises(RunError, match=r"it is not empty and holds no run\. Give --overwrite or another --run"):
        choose(tmp_path)
    assert choose(tmp_path, overwrite=True).path == tmp_path
    assert not (tmp_path / CONFIG_FILE).exists()


@pytest.mark.parametrize("name", ["x" * 300, "a/" + "x" * 300, "a\0b"])
def test_a_name_that_no_directory_can_have_is_refused(name: str, in_tmp_path: Path) -> None:
    for act in (lambda: choose(Path(name)), lambda: choose(Path(name), resume=True), lambda: find_run(Path(name))):
        with pytest.raises(RunError) as refused:
            act().read_record()
        assert len(str(refused.value)) < 1000


def test_the_name_of_a_run_is_looked_up_where_nothing_has_that_path(in_tmp_path: Path) -> None:
    bare_run(Path("runs/sales-1"))
    assert find_run(Path("sales-1")).path == choose(Path("sales-1"), resume=True).path == Path("runs/sales-1")
    Path("sales-1").mkdir()
    assert find_run(Path("sales-1")).path == Path("sales-1")


def test_a_run_of_nearly_that_name_is_named(in_tmp_path: Path) -> None:
    bare_run(Path("runs/sales-1"))
    with pytest.raises(RunError, match=r"sale-1: there is no seqcast run here .* Did you mean 'runs/sales-1'\?"):
        find_run(Path("sale-1")).read_record()


def test_overwriting_removes_the_files_of_a_run_and_no_others(tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run", *OWN_FILES[1:], "notes.txt")
    choose(directory.path, overwrite=True)
    assert {path.name for path in directory.path.iterdir()} - {LOCK_NAME} == {"notes.txt"}


def test_overwriting_removes_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run")
    (tmp_path / "precious").write_text("x")
    (directory.path / MODEL_FILE).symlink_to(tmp_path / "precious")
    choose(directory.path, overwrite=True)
    assert (tmp_path / "precious").read_text() == "x"
    assert {path.name for path in directory.path.iterdir()} <= {LOCK_NAME}


def test_a_run_that_is_being_trained_is_not_overwritten(tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run", CHECKPOINT_FILE)
    with lock_directory(directory.path), pytest.raises(RunError, match="is being written by process"):
        choose(directory.path, overwrite=True)
    assert directory.has_checkpoint()
    assert directory.read_record() == RECORD


def test_a_run_to_resume_is_left_as_it_is(tmp_path: Path) -> None:
    directory = bare_run(tmp_path / "run", CHECKPOINT_FILE)
    assert choose(directory.path, resume=True) == directory
    assert directory.has_checkpoint()


def test_a_run_to_resume_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no seqcast run here"):
        choose(tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def set_age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path / RUN_FILE, (then, then))


def test_the_newest_finished_run_is_used_although_a_stopped_one_is_newer(tmp_path: Path) -> None:
    bare_run(tmp_path / "older").write_record(FINISHED)
    set_age(tmp_path / "older", 20)
    bare_run(tmp_path / "stopped")
    (bare_run(tmp_path / "damaged").path / RUN_FILE).write_text("{")
    assert newest_finished_run(tmp_path).path == tmp_path / "older"


def test_without_a_finished_run_the_newest_says_what_it_lacks(tmp_path: Path) -> None:
    bare_run(tmp_path / "stopped")
    assert newest_finished_run(tmp_path).path == tmp_path / "stopped"
