"""`seqcast train --from`: a finished run is trained further."""

import re
import sys
from pathlib import Path

import pytest

from seqcast.run.configuration_file import read_config
from seqcast.run.directory import RunDirectory
from tests.reliability.attacks import change_record, sign
from tests.running import (
    TINY,
    Trained,
    contents,
    done,
    hours,
    interrupted,
    refused,
    wave,
    write_hourly,
    write_rows,
)

LEARNS = (*TINY, "--no-lag-bias", "--no-copy")
"""Without a linear start, so that the networks make the whole forecast."""
PARENT, LONGER = 131, 149


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("parent")
    data = write_hourly(folder / "h.csv", PARENT)
    done("train", data, *LEARNS, "--run", folder / "run")
    return Trained(data, folder / "run")


def test_a_new_run_goes_on_from_another_one_and_both_forecast(parent: Trained, in_tmp_path: Path) -> None:
    data, before = write_hourly(in_tmp_path / "h.csv", LONGER), contents(parent.run)

    ran = done("train", data, "--from", parent.run, "--run", "further")

    assert f"from: {parent.run} (1 network trained further, from the weights before the refit)" in ran.err
    assert "series: 1 of that run, 0 new" in ran.err
    assert "scalers: kept for covariates, refitted for targets" in ran.err
    assert "learning rate: 0.002 (50% of the run's)" in ran.err
    assert "parent's best network" in ran.out
    shown = re.sub(r"\s+", " ", done("runs", "show", "further").out)
    assert f"goes on from {parent.run.resolve()}"[:60] in shown
    assert RunDirectory(parent.run).read_record().files["model.safetensors"] in shown
    assert contents(parent.run) == before
    forecasts = [done("predict", data, "--run", run, "--output", "-").table() for run in (parent.run, "further")]
    assert forecasts[0]["ds"].tolist() == forecasts[1]["ds"].tolist()
    assert forecasts[0]["seqcast"].tolist() != forecasts[1]["seqcast"].tolist()


def test_settings_are_those_of_the_parent_but_for_the_given_ones(parent: Trained, in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv", LONGER)
    words = ("--max-steps", 4, "--learning-rate", "0.01", "--validation-size", 11, "--freeze", "encoder", "--no-refit")

    done("train", data, "--from", parent.run, *words, "--run", "further")

    own, child = read_config(parent.run / "config.toml"), read_config(Path("further/config.toml"))
    assert child.model == own.model
    assert (child.training.max_steps, child.training.learning_rate, child.training.freeze) == (4, 0.01, "encoder")
    assert (child.data.validation_size, child.training.refit, child.training.seed) == (11, False, own.training.seed)


def test_a_fine_tuning_that_was_stopped_is_finished_by_resume_alone(parent: Trained, in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv", LONGER)
    words = ("train", data, "--from", parent.run, "--max-steps", 4)
    done(*words, "--run", "whole")
    assert interrupted(*words, "--run", "cut").code == 130
    done("train", data, "--run", "cut", "--resume")

    for name in ("model.safetensors", "metrics.jsonl", "config.toml"):
        assert Path("cut", name).read_bytes() == Path("whole", name).read_bytes(), name


def test_resuming_needs_the_same_parent(parent: Trained, in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv", LONGER)
    own = parent.copied(in_tmp_path)
    stopped = RunDirectory(in_tmp_path / "further")
    done("train", data, "--from", own, "--max-steps", 4, "--run", stopped.path)
    stopped.write_record(stopped.read_record().model_copy(update={"status": "stopped"}))
    done("train", parent.data, *LEARNS, "--seed", 1, "--run", own, "--overwrite")

    message = refused(4, "train", data, "--run", stopped.path, "--resume")

    assert "the run that is resumed took its networks from here, and these are others now" in message
    (own / "run.json").unlink()
    assert "there is no seqcast run here" in refused(4, "train", data, "--run", stopped.path, "--resume")


def test_the_table_is_read_as_that_of_the_parent(in_tmp_path: Path) -> None:
    def write(path: Path, num_rows: int) -> Path:
        values = [str(value).replace(".", ",") for value in wave(num_rows)]
        path.write_text("\n".join(["when;sales", *map(";".join, zip(hours(num_rows), values, strict=True))]) + "\n")
        return path

    done("train", write(in_tmp_path / "a.csv", PARENT), *LEARNS, "--decimal", ",", "--run", "own")

    done("train", write(in_tmp_path / "b.csv", LONGER), "--from", "own", "--max-steps", 2, "--run", "further")

    assert RunDirectory(Path("further")).read_record().data.read_options.decimal == ","


def test_headings_may_differ_where_they_are_given(parent: Trained, in_tmp_path: Path) -> None:
    data = write_rows(in_tmp_path / "t.csv", "when,sales", [hours(LONGER), wave(LONGER)])

    refused(3, "train", data, "--from", parent.run)
    words = ("--time", "when", "--target", "sales", "--max-steps", 2)
    done("train", data, "--from", parent.run, *words, "--run", "further")

    assert done("predict", "--run", "further", "--output", "-").out.startswith("unique_id,when,seqcast")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--resume"], "--resume continues a training that was stopped, --from makes a new run out of a finished one."),
        (["--config", "c.toml"], "--from takes the settings of the run, --config those of a file."),
        (["--horizon", "7"], "model.horizon is 5 in this run and cannot become 7"),
        (["--attention", "none"], "model.attention is 'global' in this run and cannot become 'none'"),
        (["--ensemble", "3"], "training.ensemble is 1 in this run and cannot become 3"),
        (["--known", "promo"], "--known promo names 1 columns; the run has 0."),
    ],
)
def test_what_does_not_fit_the_parent_is_refused(words: list[str], told: str, parent: Trained) -> None:
    assert told in refused(2, "train", parent.data, "--from", parent.run, *words)


def test_the_parent_is_not_written_to(parent: Trained) -> None:
    message = refused(2, "train", parent.data, "--from", parent.run, "--run", parent.run, "--overwrite")
    assert "--run and --from name the same directory." in message


def test_another_frequency_and_missing_columns_are_named(
    parent: Trained, panel_run: Trained, in_tmp_path: Path
) -> None:
    days = [f"2024-{month:02}-{day:02}" for month in range(1, 10) for day in range(1, 29)]
    daily = write_rows(in_tmp_path / "d.csv", "ds,y", [days, wave(len(days))])
    hourly = write_hourly(in_tmp_path / "h.csv", LONGER)

    assert "this run was trained on 'h'" in refused(3, "train", daily, "--from", parent.run)
    message = refused(3, "train", hourly, "--from", panel_run.run)
    assert "there is no known covariate column 'promo'" in message


def test_a_run_that_has_not_finished_cannot_be_gone_on_from(parent: Trained, in_tmp_path: Path) -> None:
    own = RunDirectory(parent.copied(in_tmp_path))
    own.write_record(own.read_record().model_copy(update={"status": "stopped", "result": None}))
    message = refused(4, "train", parent.data, "--from", own.path)
    assert "its training has not finished, so there is nothing to go on from" in message


@pytest.mark.parametrize(("name", "value"), [("season", 25), ("num_calendar", 1)])
def test_a_run_whose_networks_do_not_fit_its_settings_is_refused(
    name: str, value: int, parent: Trained, in_tmp_path: Path
) -> None:
    own = parent.copied(in_tmp_path)
    change_record(own, lambda found: found["shape"].update({name: value}))
    message = refused(4, "train", parent.data, "--from", own)
    assert (
        f"run.json: damaged: the sizes of its networks do not follow from config.toml: {name} is {value}, not"
        in message
    )


def test_what_is_no_run_is_refused_before_torch_is_loaded(
    parent: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "seqcast.experiments.recorded_training", None)  # which imports torch
    assert "there is no seqcast run here" in refused(4, "train", parent.data, "--from", tmp_path)


def test_a_run_with_spoilt_weights_is_refused(parent: Trained, in_tmp_path: Path) -> None:
    own = parent.copied(in_tmp_path)
    weights = (own / "model.safetensors").read_bytes()
    (own / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    sign(own)
    assert "model.safetensors: damaged" in refused(4, "train", parent.data, "--from", own)


def test_freezing_without_a_parent_is_refused(parent: Trained) -> None:
    message = refused(2, "train", parent.data, *TINY, "--freeze", "encoder")
    assert message.startswith("--freeze encoder: a training from the start has nothing to freeze.")


def test_a_backtest_that_trains_again_names_the_parent(parent: Trained, in_tmp_path: Path) -> None:
    done(
        "train", write_hourly(in_tmp_path / "h.csv", LONGER), "--from", parent.run, "--max-steps", 2, "--run", "further"
    )
    message = refused(2, "backtest", "--run", "further", "--refit-every", 1)
    assert "--refit-every trains from the start, and this run was trained with --from" in message
    assert str(parent.run) in message
