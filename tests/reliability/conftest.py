"""Runs that the tests of this folder read, copy and spoil, each trained once."""

from pathlib import Path

import pytest

from tests.running import Trained, done, hours, wave, write_rows

HORIZON, CONTEXT = 3, 12
SMALL = (
    *("--horizon", "3", "--context", "12", "--hidden", "4", "--location", "season"),
    *("--max-steps", "4", "--batch-size", "5", "-q"),
)
"""Options of the smallest training run."""
LENGTHS = {"a": 61, "b": 53}


def write_shops(path: Path, lengths: dict[str, int] = LENGTHS, first: int = 0, header: str = "unique_id,ds,y") -> Path:
    """Series with a numeric and a categorical covariate known ahead and a static one, rows from `first` on."""
    rows: list[tuple[object, ...]] = []
    for index, (name, length) in enumerate(lengths.items()):
        weather = [("sun", "rain", "snow")[step % 3] for step in range(length)]
        price = [round(1 + 0.1 * (step % 5), 1) for step in range(length)]
        columns = [[name] * length, hours(length), wave(length, 5 * index), price, weather, ["north"] * length]
        rows += list(zip(*columns, strict=True))[first if first >= 0 else length + first :]
    return write_rows(path, f"{header},price,weather,region", list(zip(*rows, strict=True)))


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Two series with known covariates, numeric and categorical, and a static one."""
    folder = tmp_path_factory.mktemp("shops")
    trained = Trained(write_shops(folder / "shops.csv"), folder / "run")
    write_shops(trained.future, {name: length + 6 for name, length in LENGTHS.items()}, first=-6)
    roles = ("--known", "price,weather", "--static", "region", "--target", "y")
    done("train", trained.data, *SMALL, *roles, "--run", trained.run)
    return trained


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One series alone, which needs no table of the future."""
    folder = tmp_path_factory.mktemp("single")
    data = write_rows(folder / "single.csv", "ds,y", [hours(61), wave(61)])
    done("train", data, *SMALL, "--run", folder / "run")
    return Trained(data, folder / "run")
