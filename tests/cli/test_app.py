import errno
import os
import re
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import seqcast as package
from seqcast.cli import app
from seqcast.cli.app import main
from seqcast.errors import DataError
from tests.running import Ran, done, refused, seqcast

COMMANDS = (
    *("train", "predict", "inspect", "backtest", "anomalies", "report", "export"),
    *("compare", "tune", "check", "runs", "demo", "doctor"),
)


def process(*words: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """`seqcast` in a process of its own."""
    command = [sys.executable, "-c", "from seqcast.cli.app import main; main()", *words]
    return subprocess.run(command, check=False, **{"capture_output": True, **options})  # type: ignore[call-overload,no-any-return]


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Ran:
    """Run `seqcast runs` while looking for runs fails."""

    def fail() -> None:
        raise error

    monkeypatch.setattr("seqcast.run.directory.list_runs", fail)
    return seqcast("runs", "--json")


@pytest.mark.parametrize("words", [[command] for command in COMMANDS] + [["runs", "show"], []])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(words: list[str], option: str) -> None:
    out = done(*words, option).out
    assert out.startswith(" ".join(["Usage: seqcast", *words]))
    assert "--help" in out


def test_help_is_written_in_whole_sentences_and_plain_types() -> None:
    assert not [line for line in done("--help").out.splitlines() if line.endswith("...") and "Usage" not in line]
    for command in COMMANDS:
        assert not re.search(r"<list|range>|\w \[default", done(command, "--help").out)


def test_help_names_the_table_as_messages_do_and_shows_the_options_of_the_command_first() -> None:
    out = done("predict", "--help").out
    assert out.startswith("Usage: seqcast predict [OPTIONS] [DATA]\n")
    assert re.findall(r"^\w+:$", out, re.M) == ["Arguments:", "Options:", "Data:", "Reading:", "Engine:", "Output:"]
    assert done("train", "--help").out.startswith("Usage: seqcast train [OPTIONS] DATA\n")


def test_help_names_every_command_and_every_option_has_its_words() -> None:
    top = done("--help").out
    assert all(f"\n  {command} " in top for command in COMMANDS)
    for command in COMMANDS:
        lines = done(command, "--help").out.splitlines()
        for line, following in pairwise([*lines, ""]):
            if line.startswith("  -"):
                assert "  " in line.strip() or following.startswith("      "), f"{command}: {line} has no words"


@pytest.mark.parametrize(("words", "completed"), [("seqcast tr", "train"), ("seqcast train h.csv --sco", "--score")])
def test_commands_and_options_can_be_completed(words: str, completed: str) -> None:
    asked = {"_SEQCAST_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    assert process(env={**os.environ, **asked}).stdout.decode().split() == [completed]


def test_the_version_is_that_of_the_package() -> None:
    assert done("--version").out == f"{package.__version__}\n"


def test_no_command_at_all_shows_the_help_and_is_a_usage_error() -> None:
    ran = seqcast()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Usage: seqcast")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["bogus"], "No such command 'bogus'. `seqcast -h` shows the usage."),
        (["train"], "Missing argument 'DATA'. `seqcast train -h` shows the usage."),
        (["train", "x.csv", "--hidden", "abc"], "Invalid value for '--hidden': it should be a whole number."),
        (["anomalies", "--level", "many"], "Invalid value for '--level': it should be a number."),
        (["train", "x.csv", "--score", "cubic"], "Invalid value for '--score': 'cubic' is not one of 'dot'"),
        (["predict", "--levels", "80"], "No such option: --levels"),
        (["predict", "--format", "xml"], "Invalid value for '--format': 'xml' is not one of 'csv', 'parquet', 'json'"),
        (["inspect", "--top", "many"], "Invalid value for '--top'"),
        (["predict", "a.csv", "b.csv"], "Got unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(words: list[str], told: str) -> None:
    message = refused(2, *words)
    assert message.startswith(told)
    assert message.endswith("-h` shows the usage.")


@pytest.mark.parametrize("text", ["0", "0.0m", "00h", "-1s"])
def test_no_time_is_no_limit_of_time(text: str) -> None:
    message = refused(2, "train", "x.csv", "--time-limit", text)
    assert message == f"--time-limit '{text}': it should be a duration such as 600, 90s, 10m or 2h."


def test_a_wrong_command_line_is_one_json_document_too() -> None:
    ran = seqcast("train", "x.csv", "--hidden", "abc", "--json")
    assert ran.document()["kind"] == "usage"
    assert ran.document()["hint"] == "`seqcast train -h` shows the usage."


def test_an_error_of_ours_is_told_to_people_and_programs_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = fail_with(monkeypatch, DataError("no good.", hint="Do better."))
    assert ran.code == 3
    assert ran.err == "error: no good. Do better.\n"
    assert ran.document()["error"] == "no good. Do better."


def test_a_failing_disk_is_no_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = fail_with(monkeypatch, OSError(errno.EIO, "Input/output error", "runs"))
    assert ran.err == "error: runs: cannot be read or written: Input/output error.\n"
    assert ran.code == 1


def test_a_fault_of_the_program_is_told_without_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["seqcast", "runs"])
    monkeypatch.setattr("seqcast.run.directory.list_runs", lambda: 1 / 0)
    with pytest.raises(SystemExit, match="1"):
        main()
    told = capsys.readouterr().err
    assert told.startswith("error: internal error: ZeroDivisionError: division by zero. Run again with --debug")
    assert "Traceback" not in told


def test_debug_adds_the_traceback_and_keeps_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["seqcast", "check", "nowhere.csv", "--debug"])
    with pytest.raises(SystemExit, match="3"):
        main()
    told = capsys.readouterr().err
    assert "Traceback (most recent call last)" in told
    assert told.endswith("error: nowhere.csv: there is no such file.\n")


def test_ctrl_c_outside_training_ends_quietly_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = fail_with(monkeypatch, KeyboardInterrupt())
    assert (ran.code, ran.out, ran.err) == (130, "", "")


def test_handlers_of_signals_are_given_back(in_tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    done("runs")
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_outside_training_unwinds_the_program(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwound = []

    def stop_midway() -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            unwound.append(number)

    monkeypatch.setattr("seqcast.run.directory.list_runs", stop_midway)
    assert seqcast("runs").code == code
    assert unwound == [number]


def test_a_signal_that_the_caller_ignores_stays_ignored(monkeypatch: pytest.MonkeyPatch, in_tmp_path: Path) -> None:
    def hang_up() -> list[object]:
        os.kill(os.getpid(), signal.SIGHUP)
        return []

    monkeypatch.setattr("seqcast.run.directory.list_runs", hang_up)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert done("runs", "--json").document() == []
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def end_with_stdout(monkeypatch: pytest.MonkeyPatch, stdout: object, *words: str) -> object:
    """The exit code of `seqcast` with another stdout."""
    monkeypatch.setattr(sys, "argv", ["seqcast", *words])
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_a_reader_that_has_gone_ends_a_command_without_a_word(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as stdout:  # noqa: PTH123  # a Path cannot open a descriptor
        assert end_with_stdout(monkeypatch, stdout, "runs", "--json") == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", [["runs", "--json"], ["runs", "show", "nowhere", "--json"]])
def test_a_full_disk_behind_stdout_is_told_on_stderr(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        assert end_with_stdout(monkeypatch, full, *words) in (1, 4)
    assert capsys.readouterr().err.startswith("error: ")


def test_without_stdout_a_command_does_its_work(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = end_with_stdout(monkeypatch, None, "runs", "--json")
    sys.stdout.close()
    assert code == 0


LINGERING = """
import atexit, sys, threading, time
from seqcast.cli.app import run
threading.Thread(target=time.sleep, args=(60,)).start()
atexit.register(print, "the end")
run()
"""


@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), (["check", "nowhere.csv"], 3)])
def test_the_program_ends_with_its_exit_code_whatever_libraries_still_do(words: list[str], code: int) -> None:
    ended = subprocess.run([sys.executable, "-c", LINGERING, *words], capture_output=True, check=False, timeout=50)
    assert ended.returncode == code
    assert ended.stdout.endswith(b"the end\n")
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize(("raised", "code"), [(3, 3), ("words", 1)])
def test_the_program_runs_what_was_registered_for_its_end(
    raised: object, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[object] = []

    def end() -> None:
        raise SystemExit(raised)

    monkeypatch.setattr(app, "main", end)
    monkeypatch.setattr(app.atexit, "_run_exitfuncs", lambda: ended.append("registered"))
    monkeypatch.setattr(app.os, "_exit", ended.append)
    app.run()
    assert ended == ["registered", code]
