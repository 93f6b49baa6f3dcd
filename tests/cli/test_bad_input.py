"""What a person can get wrong: each is told with its place and what to do, with the right exit code, and nothing is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.running import TINY, Trained, done, hours, refused, seqcast, wave, write_hourly, write_rows


def lines_with(change: dict[int, str]) -> str:
    """An hourly table of 101 rows in which some lines (counted from 1) are other text."""
    lines = ["ds,y", *(f"{time},{value}" for time, value in zip(hours(101), wave(101), strict=True))]
    for number, text in change.items():
        lines[number - 1] = text
    return "\n".join(lines) + "\n"


DATA_ERRORS = {
    "empty": ("", "data.csv: the file is empty."),
    "blank": ("\n\n  \n", "data.csv: the file is blank."),
    "header only": ("ds,y\n", "data.csv: the file has a header and no rows."),
    "text in a number column": (
        lines_with({58: "2024-01-03 08:00:00,abc"}),
        "data.csv, line 58, column 'y': 'abc' is not a number. If it means \"missing\", add --na-value abc.",
    ),
    "unparsable time": (
        lines_with({58: "2024-02-30 08:00:00,5"}),
        "data.csv, line 58, column 'ds': '2024-02-30 08:00:00' is not a time",
    ),
    "duplicate times": (
        lines_with({58: "2024-01-03 07:00:00,99"}),
        "data.csv, line 58: the same time occurs with different values: 2024-01-03 07:00:00",
    ),
    "missing field": (
        lines_with({58: "2024-01-03 08:00:00"}),
        "data.csv, line 58: the row has 1 field where the header has 2",
    ),
    "no time column": ("a,b\n1,2\n3,4\n", "no time column was found among 'a', 'b'. Name it with --time"),
    "two candidates for the time": (
        "from,until,y\n2024-01-01,2024-01-02,3\n2024-01-02,2024-01-03,4\n",
        "data.csv: several columns may be the time: 'from', 'until'. Say which with --time.",
    ),
    "nothing to forecast": (
        "ds,name\n2024-01-01,a\n2024-01-02,b\n",
        "data.csv: no numeric column to forecast was found among 'ds', 'name'. Name it with --target.",
    ),
    "all missing": (
        "ds,y\n" + "".join(f"{time},\n" for time in hours(101)),
        "data.csv, column 'y': every value is missing. Name another column with --target.",
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
        (["nowhere.csv"], "nowhere.csv: there is no such file."),
        (["."], ".: this is a directory, not a file."),
        (["data.csv", "--target", "z"], "data.csv, column 'z': there is no target column 'z'. Columns are 'ds', 'y'."),
        (["data.csv", "--time", "Ds"], "there is no time column 'Ds'. Did you mean 'ds'?"),
        (["data.csv", "--id", "shop"], "there is no id column 'shop'."),
        (["data.csv", "--known", "promo"], "there is no known covariate column 'promo'."),
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
        (["--horizon", 0], "horizon"),
        (["--horizon", -3], "horizon"),
        (["--horizon", "five"], "'--horizon'"),
        (["--horizon", 10**9], "horizon"),
        (["--context", 0], "context"),
        (["--hidden", 0], "hidden"),
        (["--hidden", 10**9], "hidden"),
        (["--hidden", "1.5"], "'--hidden'"),
        (["--layers", 99], "layers"),
        (["--dropout", 1], "dropout"),
        (["--dropout", "nan"], "dropout"),
        (["--learning-rate", 0], "learning_rate"),
        (["--learning-rate", "inf"], "learning_rate"),
        (["--max-steps", 0], "max_steps"),
        (["--batch-size", -1], "batch_size"),
        (["--patience", 0], "patience"),
        (["--seed", -1], "seed"),
        (["--test-size", -1], "test_size"),
        (["--validation-size", 2, "--horizon", 5], "--validation-size 2 is shorter than the horizon of 5."),
        (["--target", "y", "--known", "y"], "column 'y' has two roles; give it one"),
        (["--device", "tpu"], "device"),
        (["--freq", "D"], "line 3, column 'ds': --freq D (daily) contradicts the data"),
        (["--freq", "fortnight"], "--freq 'fortnight' is not a frequency."),
        (["--config", "nowhere.toml"], "nowhere.toml: there is no such configuration file."),
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


def test_a_gpu_that_is_not_there_is_refused_and_auto_falls_back(
    hourly_run: Trained, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    told = "--device cuda: this machine has no usable CUDA GPU. Use --device auto or cpu."
    assert refused(2, "train", hourly_run.data, "--device", "cuda") == told
    for command in ("predict", "inspect", "backtest"):
        assert refused(2, command, "--run", hourly_run.run, "--device", "cuda") == told
    assert "no GPU found" in done("train", hourly_run.data, *TINY, "--device", "auto").err


@pytest.mark.parametrize("command", ["predict", "inspect", "backtest"])
def test_without_any_run_the_way_to_one_is_told(command: str, in_tmp_path: Path) -> None:
    told = "there is no run under runs/. Train one with `seqcast train DATA`, or name one with --run."
    assert refused(4, command) == told
    assert refused(4, command, "--run", "nowhere").startswith("nowhere: there is no seqcast run here (no run.json).")


@pytest.mark.parametrize("level", ["abc", "0", "100", "-5", "nan", "80,80", "80;95"])
def test_levels_that_make_no_sense_are_refused(hourly_run: Trained, level: str) -> None:
    for command in ("predict", "backtest"):
        assert f"--level {level!r}: levels" in refused(2, command, "--run", hourly_run.run, "--level", level)


@pytest.mark.parametrize("horizon", [0, -1])
def test_a_horizon_below_one_is_refused(hourly_run: Trained, horizon: int) -> None:
    message = refused(2, "predict", "--run", hourly_run.run, "--horizon", horizon)
    assert message == f"--horizon {horizon}: the number of steps to forecast must be at least 1."


@pytest.mark.parametrize("command", ["predict", "inspect", "backtest"])
@pytest.mark.parametrize(
    ("output", "code", "told"),
    [
        ("nowhere/out.csv", 1, "no such file was made. Create its folder first, or choose another place."),
        ("folder.csv", 1, "it is a folder, not a plain file."),
        ("out.xls", 2, "The name of 'out.xls' does not say which format to write."),
    ],
)
def test_an_output_that_cannot_be_written_is_told_and_nothing_is_left(
    command: str, output: str, code: int, told: str, hourly_run: Trained, in_tmp_path: Path
) -> None:
    Path("folder.csv").mkdir()
    assert told in refused(code, command, "--run", hourly_run.run, "--output", output)
    assert [path.name for path in in_tmp_path.iterdir()] == ["folder.csv"]
    assert list(Path("folder.csv").iterdir()) == []


@pytest.mark.parametrize("run", ["file.txt", "file.txt/run", "/proc/seqcast"])
def test_a_run_directory_that_cannot_be_made_is_told(run: str, in_tmp_path: Path) -> None:
    Path("file.txt").write_text("")
    message = refused(4, "train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--run", run)
    assert message.startswith(f"{run}: ")
    assert "Give another --run." in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_run_directory_without_permission_is_told(in_tmp_path: Path) -> None:
    Path("locked").mkdir(mode=0o500)
    message = refused(4, "train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--run", "locked/run")
    assert message.startswith("locked/run: cannot be made: Permission denied.")


@pytest.mark.parametrize("name", ["model.safetensors", "config.toml"])
def test_a_damaged_run_is_refused_by_every_command(name: str, in_tmp_path: Path) -> None:
    done("train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--run", "run")
    damaged = bytearray(Path("run", name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    Path("run", name).write_bytes(damaged)
    for command in ("predict", "inspect", "backtest"):
        assert f"run/{name}: damaged: its checksum is not the one in run.json." in refused(4, command, "--run", "run")


def test_an_error_in_json_names_file_line_column_and_value(in_tmp_path: Path) -> None:
    Path("data.csv").write_text(lines_with({58: "2024-01-03 08:00:00,abc"}))
    document = seqcast("train", "data.csv", "--json").document()
    assert {key: document[key] for key in ("kind", "file", "line", "column", "value")} == {
        "kind": "data",
        "file": "data.csv",
        "line": 58,
        "column": "y",
        "value": "abc",
    }


def test_rows_of_several_series_without_id_ask_for_it(in_tmp_path: Path) -> None:
    data = write_rows(in_tmp_path / "two.csv", "ds,y", [hours(101) * 2, wave(101) + wave(101, 7)])
    assert "Was an id column forgotten (--id)?" in refused(3, "train", data)
