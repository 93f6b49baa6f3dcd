"""`seqcast export` and `seqcast predict --onnx`, and that neither the latter nor the documented example needs torch."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from tests.running import HORIZON, TINY, Trained, done, hours, refused, seqcast, wave, write_rows

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from seqcast.cli.app import main
try:
    main()
finally:
    heavy = sorted({"pandas", "sklearn", "scipy"} & set(sys.modules))
    import pyarrow
    frame = pyarrow.table({"id": ["a"]}).to_pandas()
    back = pyarrow.Table.from_pandas(frame, preserve_index=False)
    print(heavy, back.to_pydict(), type(frame), file=sys.stderr)
"""
LARGEST_DIFFERENCE = 1e-4 * 10
"""The waves of the tables have a spread of about 10."""


@pytest.fixture(scope="module")
def hourly_model(hourly_run: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported run of one hourly series."""
    file = tmp_path_factory.mktemp("exported") / "model.onnx"
    ran = done("export", hourly_run.run, file)
    assert f"exported to {file}" in ran.err
    return file


@pytest.fixture(scope="module")
def panel_model(panel_run: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported run of three series with covariates, with attention."""
    file = tmp_path_factory.mktemp("exported") / "panel.onnx"
    done("export", panel_run.run, file, "--attention")
    return file


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert list(found) == list(expected)
    pd.testing.assert_frame_equal(found.iloc[:, :2], expected.iloc[:, :2])
    np.testing.assert_allclose(found.iloc[:, 2:], expected.iloc[:, 2:], rtol=0, atol=LARGEST_DIFFERENCE)


@pytest.mark.parametrize("horizon", [3, HORIZON, 2 * HORIZON + 1])
def test_the_forecast_is_that_of_the_run(panel_run: Trained, panel_model: Path, horizon: int) -> None:
    words = (panel_run.data, "--future", panel_run.future, "--horizon", horizon, "--output", "-")
    found = done("predict", *words, "--onnx", panel_model)
    expected = done("predict", *words, "--run", panel_run.run)
    assert_same(found.table(), expected.table())
    assert ("forecasts build on forecasts" in found.err) == (horizon > HORIZON)


def test_a_forecast_is_shown_and_drawn_without_a_run(hourly_run: Trained, hourly_model: Path) -> None:
    ran = done("predict", hourly_run.data, "--onnx", hourly_model, "--plot")
    assert "y: 5 steps after 2024-01-06 10:00" in ran.out
    assert "┤" in ran.out
    assert f"model: {hourly_model}" in ran.err


def test_a_table_with_other_headings_is_read_as_for_a_run(hourly_model: Path, tmp_path: Path) -> None:
    other = write_rows(tmp_path / "other.csv", "hour,sales", [hours(109), wave(109)])
    ran = done("predict", other, "--onnx", hourly_model, "--time", "hour", "--target", "sales", "--output", "-")
    assert len(ran.table()) == HORIZON


def test_columns_that_a_model_does_not_take_are_told_without_advice_to_name_them(
    hourly_run: Trained, hourly_model: Path, tmp_path: Path
) -> None:
    other = write_rows(tmp_path / "other.csv", "ds,y,price", [hours(109), wave(109), wave(109)])
    for words in (("--onnx", hourly_model), ("--run", hourly_run.run)):
        told = done("predict", other, *words, "--output", "-").err
        assert "columns not used: 'price'\n" in told
        assert "to use them" not in told


def test_the_graph_has_attention_where_it_was_asked_for(hourly_model: Path, panel_model: Path) -> None:
    outputs = [each.name for each in onnxruntime.InferenceSession(panel_model).get_outputs()]
    assert outputs == ["quantiles", "attention"]
    assert [each.name for each in onnxruntime.InferenceSession(hourly_model).get_outputs()] == ["quantiles"]


def test_a_forecast_imports_neither_torch_nor_pandas_which_pyarrow_still_finds_for_a_data_frame(
    hourly_run: Trained, hourly_model: Path
) -> None:
    words = ["predict", str(hourly_run.data), "--onnx", str(hourly_model), "--format", "csv", "--quiet"]
    ran = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == done("predict", hourly_run.data, "--onnx", hourly_model, "--format", "csv").out
    assert ran.stderr == "[] {'id': ['a']} <class 'pandas.DataFrame'>\n"


def test_the_documented_example_forecasts_as_the_command_in_forty_lines_without_seqcast(
    hourly_run: Trained, hourly_model: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = (repository / "seqcast" / "README.md").read_text(encoding="utf-8")
    example = next(code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "onnxruntime" in code)
    assert len(example.splitlines()) <= 40
    assert not re.search(r"import (torch|seqcast)", example)
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(hourly_model.read_bytes())
    Path("data.csv").write_bytes(hourly_run.data.read_bytes())
    found: dict[str, pd.DataFrame] = {}
    exec(compile(example, "example", "exec"), found)
    expected = done("predict", "data.csv", "--onnx", "model.onnx", "--level", "80", "--output", "-").table()
    np.testing.assert_allclose(found["forecast"]["0.5"], expected["seqcast"], rtol=1e-6)
    np.testing.assert_allclose(found["forecast"]["0.9"], expected["seqcast-hi-80"], rtol=1e-6)
    assert list(found["forecast"].index.astype(str)) == list(expected["ds"])


def test_options_that_need_a_run_are_refused(hourly_run: Trained, hourly_model: Path) -> None:
    base = ("predict", hourly_run.data, "--onnx", hourly_model)
    for words in (
        ("--run", hourly_run.run),
        ("--model", "naive"),
        ("--context", 7),
        ("--samples", 3),
        ("--aggregate", "sum"),
        ("--device", "cpu"),
    ):
        assert f"{words[0]} belongs to a run" in refused(2, *base, *words)


def test_a_table_must_be_named(hourly_model: Path) -> None:
    assert f"Run `seqcast predict DATA --onnx {hourly_model}`." in refused(2, "predict", "--onnx", hourly_model)


@pytest.mark.parametrize(("horizon", "reason"), [(0, "at least 1"), (100_001, "at most 100,000")])
def test_a_wrong_horizon_is_refused(hourly_run: Trained, hourly_model: Path, horizon: int, reason: str) -> None:
    assert reason in refused(2, "predict", hourly_run.data, "--onnx", hourly_model, "--horizon", horizon)


def test_a_wrong_file_is_named_with_exit_code_4(hourly_run: Trained, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    told = refused(4, "predict", hourly_run.data, "--onnx", other)
    assert told == f"{other}: there is no such file. Write one with `seqcast export RUN model.onnx`."
    told = refused(4, "predict", hourly_run.data, "--onnx", hourly_run.run)
    assert "is a folder, not a plain file. Write one with `seqcast export RUN model.onnx`." in told
    other.write_text("no model")
    assert str(other) in refused(4, "predict", hourly_run.data, "--onnx", other)
    other.unlink()
    other.symlink_to("/dev/zero")
    assert "is a symbolic link" in refused(4, "predict", hourly_run.data, "--onnx", other)


def test_the_name_of_the_file_and_the_run_are_checked(hourly_run: Trained, tmp_path: Path) -> None:
    assert "ends in .onnx" in refused(2, "export", hourly_run.run, tmp_path / "model.pt")
    assert "there is no seqcast run here" in refused(4, "export", tmp_path / "none", tmp_path / "model.onnx")
    told = refused(1, "export", tmp_path / "none", tmp_path / "none" / "model.onnx")  # the place is looked at first
    assert "cannot be written: No such file or directory. Create its folder first" in told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_a_missing_extra_is_one_line(
    hourly_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    message = refused(2, "export", hourly_run.run, tmp_path / "model.onnx")
    assert message.endswith(f"needs {library}, which is not installed. Run `pip install 'seqcast[onnx]'`.")


def test_a_forecast_without_onnxruntime_says_what_to_install(
    hourly_run: Trained, hourly_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    message = refused(2, "predict", hourly_run.data, "--onnx", hourly_model)
    assert "Run `pip install 'seqcast[onnx]'`." in message


def test_hostile_series_names_stay_text(tmp_path: Path) -> None:
    names = ["=HYPERLINK(1)", "\x1b[31mred", '"},{"', "[bold]", "\u202egnp"]
    rows = [(name, time, value) for name in names for time, value in zip(hours(61), wave(61), strict=True)]
    frame = pd.DataFrame(rows, columns=["unique_id", "ds", "y"])
    frame.to_csv(tmp_path / "data.csv", index=False)
    done("train", tmp_path / "data.csv", *TINY, "--run", tmp_path / "run")
    done("export", tmp_path / "run", tmp_path / "model.onnx")
    shown = seqcast("predict", tmp_path / "data.csv", "--onnx", tmp_path / "model.onnx")
    assert shown.code == 0
    document = done("predict", tmp_path / "data.csv", "--onnx", tmp_path / "model.onnx", "--format", "json").out
    assert [row["unique_id"] for row in json.loads(document)[::HORIZON]] == names
