from pathlib import Path

import pytest

from seqcast.cli import demo
from tests.running import done, refused


@pytest.fixture
def short_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo with the first few of its steps."""
    monkeypatch.setattr(demo, "STEPS", 5)


@pytest.mark.usefixtures("short_demo")
def test_the_demo_trains_predicts_and_inspects_and_shows_the_commands(in_tmp_path: Path) -> None:
    ran = done("demo")
    for command in (
        "$ seqcast train planted_hourly.csv --known promo --static region --horizon 24 --context 64",
        "$ seqcast predict --future planted_hourly_future.csv",
        "$ seqcast inspect",
    ):
        assert command in ran.err
    shown = [ran.out.index(part) for part in ("Trained", "s01: 24 steps after", "┤", "Attended lags")]
    assert shown == sorted(shown)
    lags = done("inspect", "--json", "--top", 2).document()["lags"]
    assert {lag["lag"] for lag in lags} == {24, 37}


@pytest.mark.usefixtures("short_demo")
def test_the_demo_takes_the_next_free_number_and_overwrites_nothing(in_tmp_path: Path) -> None:
    Path("runs/planted_hourly-1").mkdir(parents=True)
    done("demo", "-q")
    assert sorted(path.name for path in Path("runs").iterdir()) == ["planted_hourly-1", "planted_hourly-2"]
    assert "there is a run here already" in refused(4, "demo", "--run", "runs/planted_hourly-2")


@pytest.mark.slow
def test_the_whole_demo_ends_well(in_tmp_path: Path) -> None:
    ran = done("demo")
    assert "of the seasonal naive forecast's (below 1 is better)" in ran.out
    lags = done("inspect", "--json", "--top", 2).document()["lags"]
    assert {lag["lag"] for lag in lags} == {24, 37}
    assert sum(lag["share"] for lag in lags) > 0.5
