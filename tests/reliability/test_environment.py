"""Commands in their own process, in environments that are not the developer's."""

import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.reliability.conftest import SMALL
from tests.reliability.hazards import daily, lines, rows
from tests.running import Trained, done

COMMAND = "from seqcast.cli.app import main; import sys; sys.argv[0] = 'seqcast'; main()"
ASCII = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LONG = pytest.mark.long


def require_orderly(command: list[str], environment: Mapping[str, str] = {}, code: int = 0) -> tuple[str, str]:
    """Run a process and require that it ends as it should, in words; its two streams."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **environment}
    ran = subprocess.run(command, capture_output=True, env=variables, timeout=120, check=False)
    assert ran.returncode == code, ran.stderr
    assert b"Traceback" not in ran.stderr
    assert b"internal error" not in ran.stderr
    assert b"\x1b" not in ran.stderr + ran.stdout
    return ran.stdout.decode("utf-8", "replace"), ran.stderr.decode("utf-8", "replace")


def python(*words: object) -> list[str]:
    """The command that runs `seqcast` with these words."""
    return [sys.executable, "-c", COMMAND, *map(str, words)]


def shell(script: str, *words: object) -> list[str]:
    """The command that runs `seqcast`, as "$0" "$@", in a script of the shell."""
    return ["bash", "-c", script, *python(*words)]


@pytest.fixture
def table(in_tmp_path: Path) -> Path:
    path = in_tmp_path / "d.csv"
    path.write_text(rows("unique_id,ds,y", [f"Zürich 🙂,{line}" for line in lines(61)]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "environment",
    [
        {**ASCII, "COLUMNS": "20", "TZ": "Pacific/Kiritimati"},
        pytest.param({"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii", "COLUMNS": "0"}, marks=LONG),
        pytest.param({"COLUMNS": "abc", "TERM": "dumb", "TZ": ":nowhere", "HOME": "/nonexistent"}, marks=LONG),
        pytest.param({"PYTHONHASHSEED": "1", "PYTHONOPTIMIZE": "1"}, marks=LONG),
    ],
    ids=str,
)
def test_a_check_works_in_any_environment(environment: dict[str, str], table: Path) -> None:
    assert "daily" in require_orderly(python("check", "d.csv"), environment)[1]


def test_an_error_about_strange_letters_works_in_the_c_locale(table: Path) -> None:
    table.write_text(table.read_text(encoding="utf-8").replace("50.0", "Köln 🙂", 1), encoding="utf-8")
    environment = {**ASCII, "PYTHONIOENCODING": "ascii:strict"}
    assert "is not a number" in require_orderly(python("check", "d.csv", "--target", "y"), environment, 3)[1]


@LONG
def test_a_forecast_is_the_same_in_every_time_zone_and_locale(single: Trained) -> None:
    command = python("predict", "--run", single.run, "--output", "-")
    here = require_orderly(command, {"TZ": "UTC"})[0]
    assert here == require_orderly(command, {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "COLUMNS": "20"})[0]


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
    "redirect", ["<&- >&- 2>&-", *(pytest.param(each, marks=LONG) for each in (">&-", "2>&-", ">&- 2>&-", "<&-"))]
)
def test_closed_streams_and_limits_on_memory_and_files_do_not_hinder_a_small_table(redirect: str, table: Path) -> None:
    """What is set aside for a table follows its size, not the largest one allowed."""
    require_orderly(shell(f'ulimit -v 6000000 -f 4; exec "$0" "$@" {redirect}', "check", "d.csv"))


@LONG
def test_a_reader_that_has_read_enough_ends_the_command_quietly(single: Trained) -> None:
    words = ("predict", "--run", single.run, "--horizon", "20000", "--output", "-")
    assert "rror" not in require_orderly(shell('"$0" "$@" | head -1', *words))[1]


@LONG
def test_a_run_is_read_from_a_folder_that_is_never_written(single: Trained) -> None:
    before = {path: path.stat().st_mtime_ns for path in single.run.iterdir()}
    require_orderly(python("predict", "--run", single.run, "--output", "-"))
    assert {path: path.stat().st_mtime_ns for path in single.run.iterdir()} == before
