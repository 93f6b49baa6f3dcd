"""What `seqcast inspect` is asked beyond the lags, and what `predict` says about them."""

import json
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from seqcast.attention.verdict import Verdict
from tests.running import TINY, Trained, done, refused


def test_the_report_ends_with_the_seasons_of_the_data(wide_run: Trained) -> None:
    assert "Seasons of the data" in done("inspect", "--run", wide_run.run).out


def test_a_single_series_shows_the_forecast_that_attention_implies(wide_run: Trained) -> None:
    one = done("inspect", "--run", wide_run.run, "--series", "east").out
    assert "Attention-implied forecast of east after 2024-" in one
    assert "Forecast and weights come from " in one
    assert "Attention-implied" not in done("inspect", "--run", wide_run.run).out


def test_verify_suggest_and_compare_answer_in_words_and_in_json(wide_run: Trained) -> None:
    words = ("inspect", "--run", wide_run.run, "--verify", "--suggest", "--compare", wide_run.run)
    text = done(*words).out
    assert "Do the attended lags of the linear fit matter?" in text or "Do the attended lags of 1 trained" in text
    assert "Shorter contexts" in text
    assert "0.0 % of the weight lies on other lags" in text
    document = json.loads(done(*words, "--json").out)
    assert document["verify"]["verdict"] in get_args(Verdict)
    assert document["verify"]["without"]["p_value"] is None or 0 <= document["verify"]["without"]["p_value"] <= 1
    assert document["suggest"]["rows"][0]["error_change"] == 0
    assert document["compare"]["distance"] == 0
    assert document["attention_implied"]["unique_id"] == "north"
    assert {finding["lag"] for finding in document["seasons"]} >= {24}


def test_a_run_of_another_table_cannot_be_compared(wide_run: Trained, panel_run: Trained) -> None:
    error = refused(2, "inspect", "--run", wide_run.run, "--compare", panel_run.run)
    assert f"--compare {panel_run.run}: that run cannot forecast {wide_run.data}" in error
    assert "Compare runs of one table." in error


def test_questions_do_not_go_with_the_attention_table(wide_run: Trained) -> None:
    error = refused(2, "inspect", "--run", wide_run.run, "--verify", "--output", "-")
    assert (
        "--verify, --explain, --suggest, --compare, --align, --plot and --by error belong to the report, not to the attention table."
        in error
    )


def test_the_worst_and_the_best_tenth_of_past_origins_stand_beside_the_rest(wide_run: Trained) -> None:
    words = ("inspect", "--run", wide_run.run, "--by", "error", "--windows", 11)
    text = done(*words).out
    assert "Worst and best forecasts" in text
    assert "22 windows of 2 series" in text
    document = json.loads(done(*words, "--json").out)
    assert [group["num_windows"] for group in document["errors"]] == [2, 18, 2]
    labels = ["worst tenth", "the rest", "best tenth"]
    assert [group["label"] for group in document["errors"]] == labels
    assert [group["label"] for group in document["groups"]] == labels
    error = refused(2, "inspect", "--run", wide_run.run, "--by", "error", "--output", "-")
    assert "--by error belong to the report" in error


def test_another_context_is_looked_at_by_every_command_and_told(wide_run: Trained) -> None:
    for command in ("predict", "inspect", "backtest"):
        longer = done(command, "--run", wide_run.run, "--context", 41, "--quiet")
        assert "warning: the context of 41 is longer than the 23 steps the run was trained on" in longer.err
        shorter = done(command, "--run", wide_run.run, "--context", 7)
        assert "context: the newest 7 of the 23 steps the run was trained on" in shorter.err
        assert shorter.out != done(command, "--run", wide_run.run).out
    assert done("inspect", "--run", wide_run.run, "--context", 7, "--json").document()["context"] == 7
    error = refused(2, "backtest", "--run", wide_run.run, "--context", 7, "--refit-every", 2)
    assert error == "--context is for the trained network, --refit-every trains new ones. Give one of them."
    assert "--context 0: the number of past steps" in refused(2, "predict", "--run", wide_run.run, "--context", 0)


def test_the_run_keeps_what_it_usually_attends_to(wide_run: Trained) -> None:
    record = json.loads((wide_run.run / "run.json").read_text())
    assert abs(sum(record["attention"]["profile"]) - 1) < 1e-3
    assert 0 <= record["attention"]["usual_distance"] <= 1


def test_predict_warns_when_usually_attended_steps_are_missing(wide_run: Trained, tmp_path: Path) -> None:
    table = pd.read_csv(wide_run.data)
    table.loc[table.index[-40:-2], ["north", "east"]] = None
    table.to_csv(tmp_path / "holes.csv", index=False)
    told = done("predict", tmp_path / "holes.csv", "--run", wide_run.run)
    assert "% of the attention usually lies on steps that are missing today" in told.err
    assert "attention" not in done("predict", "--run", wide_run.run).err


def test_compare_trains_each_mechanism_once_and_shows_one_table(wide_run: Trained, tmp_path: Path) -> None:
    mechanisms = ("--attention", "global,none", "--score", "dot,location", "--target", "north,east")
    words = ("compare", wide_run.data, *TINY, *mechanisms, "--run", tmp_path / "all")
    document = json.loads(done(*words, "--json").out)
    assert [row["variant"] for row in document["variants"]] == ["dot-s0", "location-s0", "none-s0"]
    assert [row["failure"] for row in document["variants"]] == [None] * 3
    written = (tmp_path / "all" / "dot-s0" / "run.json").stat().st_mtime_ns
    text = done(*words).out
    assert "location" in text
    assert (tmp_path / "all" / "dot-s0" / "run.json").stat().st_mtime_ns == written
    assert json.loads((tmp_path / "all" / "comparison.json").read_text()) == document["variants"]


def test_compare_looks_for_planted_lags(wide_run: Trained, tmp_path: Path) -> None:
    words = ("compare", wide_run.data, *TINY, "--score", "dot", "--target", "north,east", "--run", tmp_path / "all")
    text = done(*words, "--planted", "24").out
    assert "planted: weight on the planted lags" in " ".join(text.split())
    (row,) = done(*words, "--planted", "24", "--json").document()["variants"]
    assert 0 <= row["planted_share"] <= 1
    assert row["planted_found"] in (True, False)


@pytest.mark.parametrize("planted", ["0", "24,x", "7,7", "-3", "1.5"])
def test_compare_refuses_planted_lags_that_are_none(wide_run: Trained, planted: str) -> None:
    error = refused(2, "compare", wide_run.data, "--planted", planted)
    assert f"--planted {planted!r}: lags are different positive whole numbers, such as 24,37." in error


def test_compare_refuses_a_mechanism_that_does_not_exist(wide_run: Trained) -> None:
    error = refused(2, "compare", wide_run.data, "--score", "dot,cosinus")
    assert "--score 'cosinus' is not one of dot, general, concat, location, additive, cosine, hybrid." in error


def test_network_and_start_are_shown_apart_on_request_and_in_json(wide_run: Trained) -> None:
    words = ("inspect", "--run", wide_run.run)
    document = done(*words, "--json", "--part", "both", "--top", 3).document()
    share = document["linear_share"]
    assert 0 <= share <= 1
    parts = document["parts"]
    assert set(parts) == {*(["start"] if share > 0 else []), *(["network"] if share < 1 else [])}
    text = done(*words, "--part", "both").out
    assert "Shares of the network and of the linear fit, each alone" in text
    title = "Lags of the linear fit" if share > 0.5 else "Attended lags"
    assert text.startswith(f"{title} relative to the forecast step")
    for part in ("start", "network"):
        if part in parts:
            alone = done(*words, "--part", part, "--json", "--top", 3).document()
            assert alone["lags"][0]["share"] == pytest.approx(parts[part]["lags"][0]["share"], rel=1e-5)
            assert alone["linear_share"] == (part == "start")
        else:
            assert f"--part {part}: the " in refused(2, *words, "--part", part)


def test_explain_shows_where_the_forecast_comes_from(wide_run: Trained) -> None:
    text = done("inspect", "--run", wide_run.run, "--explain").out
    assert "Where the forecast comes from" in text
    assert "level of the context" in text
    document = done("inspect", "--run", wide_run.run, "--explain", "--json").document()
    assert {each["kind"] for each in document["explain"]["inputs"]} >= {"level", "lags", "spread"}


def test_a_covariate_that_is_none_is_refused(wide_run: Trained) -> None:
    assert "--by promo is neither one of" in refused(2, "inspect", "--run", wide_run.run, "--by", "promo")
    assert "--align promo is not a covariate: this run has none." in refused(
        2, "inspect", "--run", wide_run.run, "--align", "promo"
    )
