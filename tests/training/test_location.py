"""The zero of a window's units, which the linear forecast chooses."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqcast.experiments.recorded_training import train_in_directory
from seqcast.panel.panel import Panel
from seqcast.run.directory import RunDirectory
from seqcast.run.record import Choice
from seqcast.tensors.windows import PanelTensors, WindowRange
from seqcast.training import setup as setups
from seqcast.training.linear_start import LinearForecast, LinearSettings
from seqcast.training.loop import Hooks
from tests.panels import make_panel, small_config, small_setup
from tests.run.making_runs import COVARIATES, make_job, write_table


def noise_around_a_level() -> Panel:
    random = np.random.default_rng(0)
    return make_panel([100 + random.normal(size=211) for _ in range(5)])


def random_walks() -> Panel:
    random = np.random.default_rng(0)
    return make_panel([np.cumsum(random.normal(size=211)) for _ in range(5)])


def test_random_walks_are_measured_from_their_last_value() -> None:
    setup = small_setup(random_walks(), small_config(model={"context": 28, "location": None}))

    assert setup.config.model.location == "last"
    choice = setup.plan.choices[-1]
    assert (choice.name, choice.value) == ("location", "last")
    assert re.fullmatch(r".*: last \d\.\d+, season \d\.\d+, mean \d\.\d+", choice.reason)


def test_for_noise_around_a_level_the_mean_forecasts_best() -> None:
    choice = small_setup(noise_around_a_level(), small_config(model={"context": 28, "location": None})).plan.choices[-1]

    errors = {name: float(error) for name, error in re.findall(r"(\w+) (\d\.\d+)", choice.reason)}
    assert min(errors, key=lambda name: errors[name]) == "mean"
    assert choice.value == ("mean" if 1.02 * errors["mean"] < errors["last"] else "last")


@pytest.mark.parametrize(
    ("errors", "location"),
    [
        ({"last": 1.0, "season": 0.99, "mean": 0.985}, "last"),  # less than two percent better
        ({"last": 1.0, "season": 0.97, "mean": 0.975}, "season"),
        ({"last": 1.0, "season": 0.99, "mean": 0.97}, "mean"),
        ({"last": 0.9, "season": 1.0, "mean": 1.0}, "last"),
    ],
)
def test_the_last_value_is_preferred_unless_another_is_clearly_better(
    errors: dict[str, float], location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = setups.fit_linear_forecast

    def scripted(tensors: PanelTensors, windows: WindowRange, settings: LinearSettings) -> LinearForecast:
        return replace(fit(tensors, windows, settings), error=errors[settings.location])

    monkeypatch.setattr(setups, "fit_linear_forecast", scripted)

    assert small_setup(noise_around_a_level(), small_config(model={"location": None})).config.model.location == location


def test_a_given_location_is_kept_and_is_no_choice() -> None:
    setup = small_setup(noise_around_a_level(), small_config(model={"location": "season"}))

    assert setup.config.model.location == "season"
    assert "location" not in {choice.name for choice in setup.plan.choices}


def test_without_a_lag_bias_and_with_a_given_location_nothing_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*_: object) -> LinearForecast:
        raise AssertionError("a linear forecast is fitted that nothing asks for")

    monkeypatch.setattr(setups, "fit_linear_forecast", unexpected)

    setup = small_setup(noise_around_a_level(), small_config(model={"location": "mean", "lag_bias": False}))

    assert setup.linear is None
    assert not setup.starts_linear


def test_the_location_is_told_and_recorded_and_a_resumed_run_keeps_it(tmp_path: Path) -> None:
    config = small_config(data=COVARIATES, model={"location": None})
    job = make_job(write_table(tmp_path / "data.csv", {"one": 61, "two": 53}), config)
    told: list[Choice] = []
    (tmp_path / "run").mkdir()
    directory = RunDirectory(tmp_path / "run")
    hooks = Hooks(on_choice=told.append)

    first = train_in_directory(job, directory, hooks, resume=False)

    (choice,) = told
    assert choice in first.record.choices
    assert directory.read_config(first.record).model.location == choice.value
    model = (directory.path / "model.safetensors").read_bytes()
    again = train_in_directory(job, directory, hooks, resume=True)
    assert directory.read_config(again.record).model.location == choice.value
    assert (directory.path / "model.safetensors").read_bytes() == model
