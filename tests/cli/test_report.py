import sys
from pathlib import Path

import pytest

from tests.running import TINY, Trained, done, hours, refused, seqcast, wave, write_rows

PARTS = ("Forecasts", "Attention", "Seasons", "Backtest", "Residuals and coverage", "Who forecasts", "Training")


def test_a_report_is_one_file_with_every_part(panel_run: Trained, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    ran = done("report", panel_run.run, "--output", file, "--future", panel_run.future)
    text = file.read_text(encoding="utf-8")
    for part in (*PARTS, "What was trained on what", "Where the forecast comes from", "Warnings and remarks"):
        assert f"<h2>{part}</h2>" in text
    assert "No forecast beyond the table" not in text
    assert "in the test part, which training never saw" in text
    assert str(panel_run.data) in text
    assert text.count("plotly.js v") == 1
    assert "src=" not in text.partition("<script")[0]
    size = file.stat().st_size
    assert f"{file}: {size / 1e6:.1f} MB, all 3 series" in ran.err
    assert ran.out == ""


def test_a_report_without_future_covariates_says_what_is_missing(panel_run: Trained, tmp_path: Path) -> None:
    done("report", panel_run.run, "--output", tmp_path / "r.html", "--no-explain")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "No forecast beyond the table" in text
    assert "promo" in text.partition("No forecast beyond the table")[2][:200]
    assert "Contributions were not asked for." in text


def test_a_table_of_the_future_that_cannot_be_used_is_refused(panel_run: Trained, tmp_path: Path) -> None:
    wrong = write_rows(tmp_path / "wrong.csv", "ds,price", [hours(9), wave(9)])
    told = refused(3, "report", panel_run.run, "--future", wrong, "--output", tmp_path / "r.html")
    assert told.startswith(f"{wrong}, column 'promo': there is no known covariate column 'promo'.")
    assert not (tmp_path / "r.html").exists()


def test_the_report_of_a_run_under_runs_goes_to_report_html(in_tmp_path: Path) -> None:
    write_rows(Path("sales.csv"), "ds,y", [hours(109), wave(109)])
    done("train", "sales.csv", *TINY)
    done("report", "sales-1")
    assert Path("report.html").stat().st_size > 4_000_000


def test_of_many_series_a_bounded_number_is_shown_and_said(tmp_path: Path) -> None:
    columns = [hours(60), *(wave(60, shift) for shift in range(40))]
    data = write_rows(tmp_path / "wide.csv", ",".join(["ds", *(f"s{number}" for number in range(40))]), columns)
    done("train", data, *TINY[:2], "--context", "11", "--max-steps", "1", "--run", tmp_path / "run")
    ran = done("report", tmp_path / "run", "--output", tmp_path / "r.html", "--most-series", "7")
    assert "7 of 40 series (worst, best and random ones; --most-series shows more)" in ran.err
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count('<option value="') == 7
    assert [f'label="{group}"' in text for group in ("worst", "best", "random")] == [True] * 3
    assert "7 of 40 series: the 3 worst and the 2 best by mase, and 2 drawn at random." in text


def test_a_run_without_attention_has_a_report(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "d.csv", "ds,y", [hours(109), wave(109)])
    done("train", data, *TINY, "--attention", "none", "--loss", "mae", "--run", tmp_path / "run")
    done("report", tmp_path / "run", "--output", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "This run was trained with --attention none" in text
    assert "<h2>Backtest</h2>" in text


def test_a_run_without_metrics_has_a_report_that_says_so(single_run: Trained, tmp_path: Path) -> None:
    run = single_run.copied(tmp_path)
    (run / "metrics.jsonl").write_text('{"step": "<b>"}\n', encoding="utf-8")
    done("report", run, "--output", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "No validation curve:" in text
    assert "metrics.jsonl, line 1: damaged: this is no validation." in text


@pytest.mark.parametrize("library", ["plotly", "jinja2"])
def test_a_missing_library_is_told_in_one_line(
    single_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    told = refused(2, "report", single_run.run, "--output", tmp_path / "r.html")
    assert told == f"`seqcast report` needs {library}, which is not installed. Run `pip install 'seqcast[report]'`."


def test_a_report_of_no_series_is_refused(single_run: Trained) -> None:
    assert refused(2, "report", single_run.run, "--most-series", "0") == (
        "--most-series 0: at least one series must be shown."
    )


def test_a_report_on_what_is_no_run_is_refused_before_torch_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "seqcast.pages.findings", None)  # which imports torch
    assert "there is no seqcast run here" in refused(4, "report", tmp_path / "nothing")


def test_an_output_without_a_place_is_told_before_the_run_is_read(
    single_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "seqcast.run.load", None)
    ran = seqcast("report", single_run.run, "--output", tmp_path / "absent" / "r.html")
    assert ran.code == 1
    assert "cannot be written: No such file or directory. Create its folder first" in ran.err


def test_another_table_is_reported_with_the_run(single_run: Trained, tmp_path: Path) -> None:
    other = write_rows(tmp_path / "other.csv", "hour,sales", [hours(131, "2025-03-03"), wave(131, 3)])
    done("report", single_run.run, "--data", other, "--output", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "not the table the run was trained on" in text
