from pathlib import Path

import pytest

from seqcast.cli import demo
from tests.running import done, refused


@pytest.mark.slow
def test_the_demo_trains_predicts_and_inspects_in_a_new_directory_and_finds_the_planted_lags(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "STEPS", 5)
    Path("runs/planted_hourly-1").mkdir(parents=True)
    ran = done("demo")
    for command in (
        "$ seqcast train planted_hourly.csv --known promo --static region --horizon 24 --context 64",
        "$ seqcast predict --future planted_hourly_future.csv",
        "$ seqcast inspect",
    ):
        assert command in ran.err
    shown = [ran.out.index(part) for part in ("Trained", "s01: 24 steps after", "┤", "Attended lags")]
    assert shown == sorted(shown)
    assert "of the seasonal naive forecast's (below 1 is better)" in ran.out
    lags = done("inspect", "--json", "--top", 2).document()["lags"]
    assert {lag["lag"] for lag in lags} == {24, 37}
    assert sum(lag["share"] for lag in lags) > 0.5
    assert sorted(path.name for path in Path("runs").iterdir()) == ["planted_hourly-1", "planted_hourly-2"]
    assert "there is a run here already" in refused(4, "demo", "--run", "runs/planted_hourly-2")
