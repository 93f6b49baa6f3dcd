import sys
from pathlib import Path

import pytest

from seqcast.cli.help import with_plot_file
from tests.running import Trained, done, refused, seqcast

BEGINNINGS = {"png": b"\x89PNG\r\n", "svg": b"<?xml", "html": b"<!doctype html>"}


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_predict_draws_forecasts_to_a_file_and_prints_as_before(wide_run: Trained, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"forecast.{kind}"
    ran = done("predict", "--run", wide_run.run, "--plot", file)
    assert file.read_bytes().startswith(BEGINNINGS[kind])
    assert f"2 of 2 series drawn to {file}" in ran.err
    assert ran.out == done("predict", "--run", wide_run.run).out


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_inspect_draws_the_attention_to_a_file(wide_run: Trained, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"lags.{kind.upper()}"
    ran = done("inspect", "--run", wide_run.run, "--windows", "2", "--plot", file)
    assert file.read_bytes().startswith(BEGINNINGS[kind])
    assert f"the attention of 4 windows drawn to {file}" in ran.err
    assert "Attended lags" in ran.out or "Lags of the linear fit" in ran.out


def test_the_page_of_a_forecast_holds_its_series_alone(wide_run: Trained, tmp_path: Path) -> None:
    done("predict", "--run", wide_run.run, f"--plot={tmp_path / 'f.html'}", "--horizon", "7")
    text = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert [name in text for name in (">north</option>", ">east</option>")] == [True, True]
    assert "<h2>Backtest</h2>" not in text


def test_plot_alone_stays_a_flag_before_a_table(single_run: Trained) -> None:
    drawn = done("predict", "--run", single_run.run, "--plot", single_run.data)
    assert "┊" in drawn.out
    assert "┊" not in done("predict", "--run", single_run.run, "--no-plot", single_run.data).out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--plot", "a.png"], ["--plot-file", "a.png"]),
        (["--plot=a.svg"], ["--plot-file=a.svg"]),
        (["--plot", "a.csv"], ["--plot", "a.csv"]),
        (["--plot"], ["--plot"]),
        (["--no-plot", "a.png"], ["--no-plot", "a.png"]),
        (["--plot", "--level", "80"], ["--plot", "--level", "80"]),
        (["--", "--plot", "a.png"], ["--", "--plot", "a.png"]),
    ],
)
def test_only_a_picture_after_plot_is_a_file_to_draw_to(words: list[str], expected: list[str]) -> None:
    assert with_plot_file(words) == expected


@pytest.mark.parametrize("command", ["predict", "inspect"])
def test_another_kind_of_picture_is_refused_before_anything_is_forecast(single_run: Trained, command: str) -> None:
    told = refused(2, command, "--run", single_run.run, "--plot", "x.pdf")
    assert told == "--plot x.pdf: the name of a picture ends in .png, .svg or .html."


@pytest.mark.parametrize(("file", "library"), [("x.png", "matplotlib"), ("x.html", "plotly"), ("x.html", "jinja2")])
def test_a_missing_library_is_told_in_one_line(
    single_run: Trained, monkeypatch: pytest.MonkeyPatch, file: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    told = refused(2, "predict", "--run", single_run.run, "--plot", file)
    assert told == f"`--plot {file}` needs {library}, which is not installed. Run `pip install 'seqcast[report]'`."


@pytest.mark.parametrize("words", [("--plot", "x.png"), ("--output", "x.csv")])
def test_a_file_without_a_place_is_told_before_anything_is_forecast(
    words: tuple[str, str], single_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "seqcast.run.load", None)
    option, name = words
    for folder, reason in ((tmp_path / "absent", "No such file"), (single_run.data, "Not a directory")):
        ran = seqcast("predict", "--run", single_run.run, option, folder / name)
        assert ran.code == 1
        assert f"cannot be written: {reason}" in ran.err
