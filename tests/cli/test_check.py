import math
import re
from pathlib import Path

import pytest

from tests.cli.conftest import LENGTHS
from tests.running import Trained, done, refused, seqcast, write_hourly


def test_roles_frequency_lengths_and_seasons_are_reported(panel_run: Trained) -> None:
    out = done("check", panel_run.data, "--known", "promo", "--static", "region").out
    for told in (
        "layout             long",
        "id column          unique_id",
        "time column        ds",
        "known covariates   promo",
        "static covariates  region",
        "series             3",
        "lengths            113 to 131 steps, median 127",
        "time               2024-01-01 to 2024-01-06 10:00:00",
        "series end         ",
        "frequency          hourly (h)",
        "missing            0 of 371 steps",
        "season 24          1 day, autocorrelation 0.",
        "season 168         1 week, too long to measure here",
    ):
        assert told in out


def test_given_splits_horizon_and_context_are_planned_with(in_tmp_path: Path) -> None:
    words = ("check", write_hourly(in_tmp_path / "h.csv"), "--horizon", 7, "--context", 29)
    given = (*words, "--validation-size", 24, "--test-size", 24)
    usual, plan = (done(*each, "--json").document()["plan"] for each in (words, given))
    assert (plan["config"]["data"]["validation_size"], plan["config"]["data"]["test_size"]) == (24, 24)
    assert (plan["config"]["model"]["horizon"], plan["config"]["model"]["context"]) == (7, 29)
    assert plan["num_train_windows"] < usual["num_train_windows"]
    assert "horizon           7 steps" in done(*words).out


def test_the_time_of_training_is_estimated(in_tmp_path: Path) -> None:
    words = ("check", write_hourly(in_tmp_path / "h.csv"), "--horizon", 7, "--context", 29)
    assert re.search(r"training time +at most about \d+ (s|min) on one processor core", done(*words).out)
    plan = done(*words, "--json").document()["plan"]
    model, training = plan["config"]["model"], plan["config"]["training"]
    segments = math.ceil(29 / model["segment"]) + math.ceil(7 / model["segment"])
    step = 10e-3 + training["batch_size"] * (100e-6 + 5e-6 * segments + 6e-9 * 29 * 7)
    lengths = training["max_steps"]  # all rounds together
    assert plan["core_seconds"] == pytest.approx(2 * lengths * step, rel=0.01)


def test_json_is_one_document_with_the_same_facts(panel_run: Trained) -> None:
    document = done("check", panel_run.data, "--json").document()
    assert document["columns"]["target"] == ["y"]
    assert (document["frequency"], document["num_series"], document["num_rows"]) == ("h", 3, sum(LENGTHS.values()))
    assert [season["season"] for season in document["seasons"]] == [24, 168]
    assert document["seasons"][1]["autocorrelation"] is None
    assert any("not used" in notice["text"] for notice in document["notices"])


def test_a_table_that_train_would_refuse_is_refused_in_the_same_words(in_tmp_path: Path) -> None:
    short = write_hourly(in_tmp_path / "short.csv", 7)
    words = (short, "--horizon", 5, "--context", 5)
    message = refused(3, "check", *words)
    assert "the longest series has 7 steps" in message
    assert message == refused(3, "train", *words)


@pytest.mark.parametrize("words", [["nowhere.csv"], ["nowhere.csv", "--horizon", "x"], []])
def test_errors_are_one_json_document_when_json_is_asked_for(in_tmp_path: Path, words: list[str]) -> None:
    ran = seqcast("check", *words, "--json")
    assert ran.code in (2, 3)
    assert set(ran.document()) == {"error", "kind", "file", "line", "column", "value", "hint"}
    assert ran.document()["error"] in ran.err
