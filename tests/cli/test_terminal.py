"""What a person at a terminal sees and a pipe does not: a bar, colours, a plot."""

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
from pathlib import Path

import pytest
from rich.cells import cell_len

from seqcast.cli.app import main
from seqcast.cli.console import Screen
from seqcast.errors import DataError
from tests.running import TINY, Trained, write_hourly

COLOUR = re.compile(r"\x1b\[(?:[39][0-7]|38;5;\d+)m")
CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def at_terminal(folder: Path, *words: object, width: int = 80, **environment: str) -> str:
    """All that `seqcast` writes when both its streams are a terminal of this width."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update({"TERM": "xterm-256color", "OMP_NUM_THREADS": "1", **environment})
        os.environ.pop("COLUMNS", None)
        os.execv(sys.executable, [sys.executable, "-c", "from seqcast.cli.app import main; main()", *map(str, words)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    text = b"".join(parts).decode()
    assert os.waitstatus_to_exitcode(status) == 0, text
    return text


def lines_of(text: str) -> list[str]:
    """The lines that stay on the screen."""
    return [CODE.sub("", line).split("\r")[-1] for line in text.replace("\r\n", "\n").split("\n")]


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal; for commands whose libraries take long to start anew."""

    def isatty(self) -> bool:
        return True


def as_if_at_terminal(*words: object, code: int = 0) -> str:
    """The same as `at_terminal`, 80 columns wide, within this process."""
    both = Terminal(io.BytesIO(), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["seqcast", *map(str, words)])
        patch.setattr(sys, "stdout", both)
        patch.setattr(sys, "stderr", both)
        patch.setenv("COLUMNS", "80")
        patch.setenv("TERM", "xterm-256color")
        with pytest.raises(SystemExit) as end:
            main()
    assert (end.value.code or 0) == code
    both.seek(0)
    return both.read()


def test_training_shows_a_bar_with_the_network_at_work_and_no_lines_of_steps(in_tmp_path: Path) -> None:
    text = as_if_at_terminal("train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--ensemble", 2)
    assert "━" in text
    assert "network 2/2" in text
    assert "done:" not in text
    assert re.search(r"\d+ %", text)
    assert all(cell_len(line) <= 80 for line in lines_of(text))


def test_a_backtest_that_takes_time_shows_a_bar(made_models: None, hourly_run: Trained) -> None:
    words = ("--test", "--refit-every", 2, "--models", "AutoETS")
    text = as_if_at_terminal("backtest", "--run", hourly_run.run, *words)
    assert "━" in text
    assert "training 1 of 2, on data up to" in text
    assert "statistical models: window" not in text


def test_quiet_training_shows_no_bar(in_tmp_path: Path) -> None:
    assert "━" not in as_if_at_terminal("train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--quiet")


def test_an_empty_line_parts_a_result_from_what_was_told_before_it(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    lines = lines_of(as_if_at_terminal("check", data))
    title = lines.index(str(data))
    assert lines[title - 1].strip() == ""
    assert "frequency: hourly" in " ".join(lines[:title])


@pytest.mark.parametrize("folder", [".", "f" * 90])
def test_an_error_is_broken_between_words(folder: str, in_tmp_path: Path) -> None:
    Path(folder).mkdir(exist_ok=True)
    data = write_hourly(Path(folder) / "h.csv")
    lines = as_if_at_terminal("check", data, "--known", "price", code=3).splitlines()
    error = lines[next(number for number, line in enumerate(lines) if line.startswith(f"error: {data}")) :]
    assert len(error) > 1
    assert all(len(line) <= 80 or " " not in line for line in error[1:])
    assert "there is no known covariate column 'price'. Columns are 'ds', 'y'." in " ".join(error)


def test_each_of_several_errors_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Terminal(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", both)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    Screen().problems([DataError("seventeen letters " * 9), DataError("something else.")])
    both.seek(0)
    lines = both.read().splitlines()
    assert [line.startswith("error: ") for line in lines] == [True, False, False, True]
    assert all(word in {"error:", "seventeen", "letters"} for line in lines[:3] for word in line.split())


def test_predicting_draws_a_coloured_plot_and_none_when_told_so(hourly_run: Trained) -> None:
    words = ("predict", "--run", hourly_run.run)
    text = as_if_at_terminal(*words)
    assert "┤" in text
    assert COLOUR.search(text[text.index("┤") :])
    assert all(cell_len(line) <= 80 for line in lines_of(text))
    assert "┤" not in as_if_at_terminal(*words, "--no-plot")


def test_no_color_takes_the_colours_away(hourly_run: Trained, tmp_path: Path) -> None:
    assert COLOUR.search(at_terminal(tmp_path, "runs", "show", hourly_run.run))
    assert not COLOUR.search(at_terminal(tmp_path, "runs", "show", hourly_run.run, NO_COLOR="1"))


@pytest.mark.parametrize("width", [20, 80])
def test_a_narrow_terminal_loses_no_line(hourly_run: Trained, tmp_path: Path, width: int) -> None:
    text = at_terminal(tmp_path, "runs", "show", hourly_run.run, width=width)
    assert all(cell_len(line) <= width for line in lines_of(text))
    assert "validation error" in text
