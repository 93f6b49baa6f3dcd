"""`--holidays`: public holidays as covariates that are known in the future by themselves."""

import sys
from pathlib import Path

import pytest

from seqcast.run.configuration_file import read_config
from tests.reliability.attacks import sign
from tests.running import TINY, Trained, done, refused, write_hourly


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("holidays")
    data = write_hourly(folder / "h.csv", 151)
    done("train", data, *TINY, "--no-lag-bias", "--holidays", "US-NY,DE", "--run", folder / "run")
    return Trained(data, folder / "run")


def test_a_run_recreates_its_holidays_without_options(run: Trained) -> None:
    assert read_config(run.run / "config.toml").data.holidays == ("US-NY", "DE")
    assert len(done("predict", "--run", run.run, "--horizon", 30, "--output", "-").table()) == 30
    done("backtest", "--run", run.run)
    shown = done("inspect", "--run", run.run, "--explain").out
    assert "holidays: US-NY" in shown
    assert "holidays: DE" in shown


def test_training_says_how_many_holidays_the_table_has(in_tmp_path: Path) -> None:
    ran = done("train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--holidays", "DE-BY,FR")  # 1 to 6 January 2024
    assert "holidays: DE-BY, FR (2 holidays, 1 holiday in the table; known in the future)" in ran.err


def test_an_unknown_region_is_named_beside_near_ones(run: Trained) -> None:
    message = refused(2, "train", run.data, *TINY, "--holidays", "Germany")
    assert message == "--holidays: there is no country 'Germany'. Did you mean DE?"


@pytest.mark.parametrize("command", ["train", "check", "compare", "tune"])
def test_holidays_that_cannot_be_told_are_refused_before_the_table_is_read(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "absent.csv"
    assert "--holidays: 'DE' is given twice." in refused(2, command, absent, "--holidays", "DE,DE")
    monkeypatch.setitem(sys.modules, "holidays", None)
    message = refused(2, command, absent, "--holidays", "DE")
    assert message == "--holidays needs holidays, which is not installed. Run `pip install 'seqcast[holidays]'`."


def test_a_run_with_holidays_of_no_country_is_refused(run: Trained, tmp_path: Path) -> None:
    copy = run.copied(tmp_path)
    text = (copy / "config.toml").read_text()
    (copy / "config.toml").write_text(text.replace('"US-NY"', '"XX-NY"'))
    sign(copy)

    message = refused(4, "predict", run.data, "--run", copy)

    assert "config.toml: refused: --holidays: there is no country 'XX'." in message


def test_forecasting_without_the_library_says_what_to_install(run: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    message = refused(2, "predict", run.data, "--run", run.run)
    assert message == "--holidays needs holidays, which is not installed. Run `pip install 'seqcast[holidays]'`."


def test_holidays_cannot_change_from_one_run_to_the_next(run: Trained) -> None:
    message = refused(2, "train", run.data, "--from", run.run, "--holidays", "FR")
    assert "data.holidays is ('US-NY', 'DE') in this run and cannot become ('FR',)" in message
