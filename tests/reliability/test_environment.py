"""Commands in their own process, in environments that are not the developer's."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reliability.conftest import SMALL
from tests.reliability.hazards import daily, lines, rows
from tests.running import Trained, done

COMMAND = "from seqcast.cli.app import main; import sys; sys.argv[0] = 'seqcast'; main()"


def run(
    *words: object, environment: dict[str, str] | None = None, python: tuple[str, ...] = (), **options: object
) -> subprocess.CompletedProcess[bytes]:
    """Run `seqcast` in a process of its own."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    arguments = [sys.executable, *python, "-c", COMMAND, *map(str, words)]
    return subprocess.run(arguments, capture_output=True, env=variables, timeout=120, check=False, **options)  # type: ignore[call-overload, no-any-return]


def orderly(ran: subprocess.CompletedProcess[bytes], code: int = 0) -> None:
    assert ran.returncode == code, ran.stderr
    assert b"Traceback" not in ran.stderr
    assert b"internal error" not in ran.stderr
    assert b"\x1b" not in ran.stderr + ran.stdout


@pytest.fixture
def table(in_tmp_path: Path) -> Path:
    path = in_tmp_path / "d.csv"
    path.write_text(rows("unique_id,ds,y", [f"Zürich 🙂,{line}" for line in lines(61)]), encoding="utf-8")
    return path


LONG = pytest.mark.long


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        pytest.param({"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"}, marks=LONG),
        {"COLUMNS": "20"},
        {"COLUMNS": "0"},
        pytest.param({"COLUMNS": "abc"}, marks=LONG),
        pytest.param({"TERM": "dumb"}, marks=LONG),
        {"TZ": "Pacific/Kiritimati"},
        pytest.param({"TZ": ":nowhere"}, marks=LONG),
        pytest.param({"HOME": "/nonexistent"}, marks=LONG),
        pytest.param({"PYTHONHASHSEED": "1"}, marks=LONG),
        pytest.param({"PYTHONOPTIMIZE": "1"}, marks=LONG),
    ],
    ids=str,
)
def test_a_check_works_in_any_environment(environment: dict[str, str], table: Path) -> None:
    ran = run("check", "d.csv", environment=environment)
    orderly(ran)
    assert b"daily" in ran.stderr


def test_an_error_about_strange_letters_works_in_the_c_locale(table: Path) -> None:
    table.write_text(table.read_text(encoding="utf-8").replace("50.0", "Köln 🙂", 1), encoding="utf-8")
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}
    ran = run("check", "d.csv", "--target", "y", environment=environment)
    orderly(ran, 3)
    assert b"is not a number" in ran.stderr


@LONG
def test_a_forecast_is_the_same_in_every_time_zone_and_locale(single: Trained) -> None:
    words = ("predict", "--run", single.run, "--output", "-")
    here = run(*words, environment={"TZ": "UTC"})
    there = run(*words, environment={"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "COLUMNS": "20"})
    orderly(here)
    assert here.stdout == there.stdout


def test_warnings_as_errors_change_nothing(in_tmp_path: Path) -> None:
    Path("d.csv").write_text(daily())
    ran = run("train", "d.csv", *SMALL, "--run", "run", python=("-W", "error"))
    orderly(ran)
    ran = run("predict", "--run", "run", "--output", "-", python=("-W", "error"))
    orderly(ran)


def test_a_strict_umask_is_kept(in_tmp_path: Path) -> None:
    Path("d.csv").write_text(daily())
    before = os.umask(0o077)
    try:
        done("train", "d.csv", *SMALL, "--run", "run")
        done("predict", "--run", "run", "--output", "out.csv")
    finally:
        os.umask(before)
    for path in [*Path("run").iterdir(), Path("out.csv")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize(
    "redirect",
    [">&-", *(pytest.param(each, marks=LONG) for each in ("2>&-", ">&- 2>&-", "<&-")), "<&- >&- 2>&-"],
)
def test_a_closed_stream_is_no_reason_to_fail(redirect: str, table: Path) -> None:
    script = f'exec "$0" -c "$1" check d.csv {redirect}'
    arguments = ["sh", "-c", script, sys.executable, COMMAND]
    ran = subprocess.run(arguments, capture_output=True, timeout=120, check=False)
    orderly(ran)


@LONG
def test_a_reader_that_has_read_enough_ends_the_command_quietly(single: Trained) -> None:
    script = f'"$0" -c "$1" predict --run {single.run} --horizon 20000 --output - | head -1'
    ran = subprocess.run(["bash", "-c", script, sys.executable, COMMAND], capture_output=True, timeout=120, check=False)
    orderly(ran)
    assert b"rror" not in ran.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(single: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    ran = run("predict", "--run", single.run, "--output", folder / "out.csv")
    orderly(ran, 1)
    assert b"Permission denied" in ran.stderr


@LONG
def test_a_run_is_read_from_a_folder_that_is_never_written(single: Trained) -> None:
    before = {path: path.stat().st_mtime_ns for path in single.run.iterdir()}
    orderly(run("predict", "--run", single.run, "--output", "-"))
    assert {path: path.stat().st_mtime_ns for path in single.run.iterdir()} == before


@pytest.mark.parametrize(
    "words", [("check", "d.csv"), pytest.param(("train", "d.csv", *SMALL, "--run", "run"), marks=LONG)]
)
def test_a_limit_on_the_size_of_files_is_told(words: tuple[str, ...], in_tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for a full disk; SIGXFSZ is ignored by Python, so the write fails."""
    Path("d.csv").write_text(daily())
    script = 'ulimit -f 4; exec "$0" "$@"'
    arguments = ["bash", "-c", script, sys.executable, "-c", COMMAND, *words]
    ran = subprocess.run(arguments, capture_output=True, timeout=120, check=False)
    orderly(ran, 0 if words[0] == "check" else 4)
    if ran.returncode:
        assert b"File too large" in ran.stderr
        assert not list(Path("run").glob(".seqcast-*"))


def test_a_limit_on_memory_does_not_hinder_a_small_table(table: Path) -> None:
    """What is set aside for a table follows its size, not the largest one allowed."""
    arguments = ["bash", "-c", 'ulimit -v 6000000; exec "$0" "$@"', sys.executable, "-c", COMMAND, "check", "d.csv"]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(arguments, capture_output=True, timeout=120, check=False, env=environment)
    orderly(ran)
