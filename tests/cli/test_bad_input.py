"""What a person can get wrong: each is told with its place and what to do, with the right exit code, and nothing is left."""

import os
from pathlib import Path

import pytest

from tests.running import TINY, Trained, done, hours, refused, wave, write_hourly


def lines_with(change: dict[int, str]) -> str:
    """An hourly table of 101 rows in which some lines (counted from 1) are other text."""
    lines = ["ds,y", *(f"{time},{value}" for time, value in zip(hours(101), wave(101), strict=True))]
    for number, text in change.items():
        lines[number - 1] = text
    return "\n".join(lines) + "\n"


DATA_ERRORS = {
    "text in a number column": (
        lines_with({58: "2024-01-03 08:00:00,abc"}),
        "data.csv, line 58, column 'y': 'abc' is not a number. If it means \"missing\", add --na-value abc.",
    ),
    "missing field": (
        lines_with({58: "2024-01-03 08:00:00"}),
        "data.csv, line 58: the row has 1 field where the header has 2",
    ),
    "nothing to forecast": (
        "ds,name\n2024-01-01,a\n2024-01-02,b\n",
        "data.csv: no numeric column to forecast was found among 'ds', 'name'. Name it with --target.",
    ),
}


@pytest.mark.parametrize(("content", "told"), DATA_ERRORS.values(), ids=DATA_ERRORS.keys())
@pytest.mark.parametrize("command", ["train", "check"])
def test_data_that_cannot_be_used_is_told_with_its_place(
    content: str, told: str, command: str, in_tmp_path: Path
) -> None:
    Path("data.csv").write_text(content)
    assert told in refused(3, command, "data.csv")
    assert [path.name for path in in_tmp_path.iterdir()] == ["data.csv"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data.csv", "--target", "z"], "data.csv, column 'z': there is no target column 'z'. Columns are 'ds', 'y'."),
        (["data.csv", *TINY, "--context", 500], "a context of 500, a horizon of 5 and"),
        (["data.csv", "--test-size", 101], "held-out steps need"),
        (["data.csv", "--static-file", "none.csv"], "none.csv: there is no such file."),
    ],
)
def test_a_table_that_does_not_hold_what_is_asked_is_refused(words: list[object], told: str, in_tmp_path: Path) -> None:
    Path("data.csv").write_text(lines_with({}))
    assert told in refused(3, "train", *words)
    assert not Path("runs").exists()


def test_a_series_that_is_too_short_names_the_number_needed(in_tmp_path: Path) -> None:
    message = refused(3, "train", write_hourly(in_tmp_path / "short.csv", 31), *TINY)
    assert message == (
        "the longest series has 31 steps; a context of 23, a horizon of 5 and 6 held-out steps need 34. "
        "Give more data, or a smaller --context, --horizon, --validation-size or --test-size."
    )
    write_hourly(in_tmp_path / "enough.csv", 34)
    done("train", "enough.csv", *TINY)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--validation-size", 2, "--horizon", 5], "--validation-size 2 is shorter than the horizon of 5."),
        (["--target", "y", "--known", "y"], "column 'y' has two roles; give it one"),
        (["--freq", "D"], "line 3, column 'ds': --freq D (daily) contradicts the data"),
        (["--config", "data.csv"], "data.csv: cannot be read as TOML"),
        (["--config", "unknown.toml"], "unknown.toml: model.colour"),
    ],
)
def test_options_that_make_no_sense_are_refused(words: list[object], told: str, in_tmp_path: Path) -> None:
    Path("data.csv").write_text(lines_with({}))
    Path("unknown.toml").write_text('[model]\ncolour = "red"\n')
    message = refused(2, "train", "data.csv", *words)
    assert told.replace("_", "-") in message.replace("_", "-")
    assert not Path("runs").exists()


@pytest.mark.parametrize("command", ["predict", "inspect", "backtest"])
def test_without_any_run_the_way_to_one_is_told(command: str, in_tmp_path: Path) -> None:
    told = "there is no run under runs/. Train one with `seqcast train DATA`, or name one with --run."
    assert refused(4, command) == told
    assert refused(4, command, "--run", "nowhere").startswith("nowhere: there is no seqcast run here (no such folder).")


@pytest.mark.parametrize("command", ["predict", "inspect", "backtest"])
@pytest.mark.parametrize(
    ("output", "code", "told"),
    [
        (
            "nowhere/out.csv",
            1,
            "cannot be written: No such file or directory. Create its folder first, or choose another place.",
        ),
        ("out.xls", 2, "The name of 'out.xls' does not say which format to write."),
    ],
)
def test_an_output_that_cannot_be_written_is_told_and_nothing_is_left(
    command: str, output: str, code: int, told: str, hourly_run: Trained, in_tmp_path: Path
) -> None:
    assert told in refused(code, command, "--run", hourly_run.run, "--output", output)
    assert list(in_tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["inspect", "backtest"])  # predict writes part files into a folder
def test_a_folder_is_no_output_of_a_table(command: str, hourly_run: Trained, in_tmp_path: Path) -> None:
    Path("folder.csv").mkdir()
    told = refused(1, command, "--run", hourly_run.run, "--output", "folder.csv")
    assert "it is a folder, not a plain file." in told
    assert list(Path("folder.csv").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_run_directory_without_permission_is_told(in_tmp_path: Path) -> None:
    Path("locked").mkdir(mode=0o500)
    message = refused(4, "train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--run", "locked/run")
    assert message.startswith("locked/run: cannot be made: Permission denied.")
