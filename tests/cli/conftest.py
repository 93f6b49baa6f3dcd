"""Runs that many tests read and none changes, each trained once."""

import pytest

from seqcast.reading import series_groups
from tests.cli.grouped_tables import LENGTH, NAMES, panel
from tests.running import HORIZON, TINY, Trained, done, hours, wave, write_future, write_hourly, write_panel, write_rows

LENGTHS = {"b": 131, "a": 113, "c": 127}
"""Lengths of the panel's series, in the order of the file."""
VALIDATION, TEST = 13, 17


@pytest.fixture(scope="session")
def panel_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Three series with a known and a static covariate, a validation and a test part."""
    folder = tmp_path_factory.mktemp("panel")
    trained = Trained(write_panel(folder / "panel.csv", LENGTHS), folder / "run")
    write_future(trained.future, LENGTHS, 2 * HORIZON + 1)
    parts = ("--validation-size", VALIDATION, "--test-size", TEST)
    done(
        "train", trained.data, *TINY, "--refit", "--known", "promo", "--static", "region", *parts, "--run", trained.run
    )
    return trained


@pytest.fixture(scope="session")
def single_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One series without id column, its columns named by nobody."""
    folder = tmp_path_factory.mktemp("single")
    data = write_rows(folder / "shop.csv", "hour,sales", [hours(109), wave(109)])
    done("train", data, *TINY, "--refit", "--run", folder / "run")
    return Trained(data, folder / "run")


@pytest.fixture(scope="session")
def hourly_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One series under ds,y with a test part."""
    folder = tmp_path_factory.mktemp("hourly")
    data = write_hourly(folder / "hourly.csv")
    done("train", data, *TINY, "--refit", "--validation-size", VALIDATION, "--test-size", TEST, "--run", folder / "run")
    return Trained(data, folder / "run")


@pytest.fixture(scope="session")
def wide_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Two series in columns, in an order that is not that of the alphabet."""
    folder = tmp_path_factory.mktemp("wide")
    data = write_rows(folder / "wide.csv", "when,north,east", [hours(103), wave(103), wave(103, 7)])
    done("train", data, *TINY, "--refit", "--target", "north,east", "--run", folder / "run")
    return Trained(data, folder / "run")


@pytest.fixture(scope="session")
def folder_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Five series in three Parquet files."""
    folder = tmp_path_factory.mktemp("folder")
    data = folder / "sales"
    data.mkdir()
    for number, names in enumerate((NAMES[:2], NAMES[2:3], NAMES[3:])):
        panel(*names).to_parquet(data / f"{number}.parquet", index=False)
    done("train", data, *TINY, "--refit", "--test-size", 2 * HORIZON, "--run", folder / "run")
    return Trained(data, folder / "run")


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of two of its series."""
    monkeypatch.setattr(series_groups, "MOST_ROWS", 2 * LENGTH)
