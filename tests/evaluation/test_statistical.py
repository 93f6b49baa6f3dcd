import sys
from pathlib import Path

import numpy as np
import pytest

from seqcast.errors import UsageError
from seqcast.evaluation import statistical
from seqcast.evaluation.statistical import (
    StatisticalTask,
    check_statistical,
    filled_target,
    statistical_forecasts,
)
from seqcast.extras import import_extra
from seqcast.panel.arrays import FloatArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.results.forecast import Forecast, interval
from seqcast.results.origins import Origins
from tests.panels import make_panel, waves

HORIZON = 5
LEVELS = (0.1, 0.25, 0.5, 0.9)


def forecast_all(
    panel: Panel, series: list[int], origins: list[int], *names: str, seasons: tuple[int, ...] = (7, 30)
) -> tuple[dict[str, Forecast], tuple[Notice, ...]]:
    """What the models forecast from these origins."""
    owners, positions = np.array(series), np.array(origins)
    like = Forecast(
        frequency=panel.frequency,
        series_ids=tuple(panel.series_ids[i] for i in series),
        cutoffs=panel.times(owners, positions - 1),
        point=np.zeros((len(series), HORIZON)),
        quantile_levels=(),
        quantiles=np.empty((len(series), HORIZON, 0)),
    )
    task = StatisticalTask(names, HORIZON, 7, seasons, LEVELS)
    return statistical_forecasts(task, panel, Origins(owners, positions), like)


def with_holes(length: int, holes: list[int]) -> FloatArray:
    (values,) = waves((length,))
    values[holes] = np.nan
    return values


def test_each_window_is_forecast_from_its_own_history(made_models: None) -> None:
    panel = make_panel(waves((40, 30)))
    found = forecast_all(panel, [0, 0, 1], [20, 33, 25], "AutoETS")[0]["AutoETS"]
    newest = panel.target[[19, 32, 40 + 24]]
    np.testing.assert_array_equal(found.point, np.repeat(newest[:, None], HORIZON, axis=1))
    assert found.series_ids == ("s0", "s0", "s1")


def test_quantiles_come_from_the_central_intervals_of_the_model(made_models: None) -> None:
    found = forecast_all(make_panel(waves((40,))), [0], [20], "AutoETS")[0]["AutoETS"]
    assert found.quantile_levels == LEVELS
    distances = found.quantiles - found.point[..., None]
    np.testing.assert_allclose(distances[0, 0], [-80, -50, 0, 80])
    low, high = interval(found, 80)
    np.testing.assert_allclose(high - low, 160)


def test_models_of_several_seasons_get_those_that_the_history_holds_twice(made_models: None) -> None:
    panel = make_panel(waves((90,)))
    found = forecast_all(panel, [0, 0, 0], [12, 60, 61], "MSTL")
    np.testing.assert_allclose(found[0]["MSTL"].point[:, 0], [np.nan, 7, 37])
    (notice,) = found[1]
    assert "MSTL failed on 1 of 3 windows, which are left out of its scores" in notice.text
    assert "(the first of 's0': its history does not hold any season twice)" in notice.text


def test_a_missing_value_is_what_the_seasonal_naive_says_of_it() -> None:
    panel = make_panel([with_holes(30, [0, 1, 9, 16, 20]), with_holes(30, [3])])
    filled = filled_target(panel, 7)
    assert np.isnan(filled[:2]).all()
    expected = {9: 2, 16: 2, 20: 13, 33: 32}  # a season or two before; without one, the last observed
    for row, source in expected.items():
        assert filled[row] == panel.target[source]
    assert np.isnan(panel.target[9])


def test_models_meet_no_missing_values_and_the_user_hears_of_it(made_models: None) -> None:
    found = forecast_all(make_panel([with_holes(30, [0, 1, 9])]), [0], [20], "AutoETS")
    assert np.isfinite(found[0]["AutoETS"].point).all()
    (notice,) = found[1]
    assert notice.text == (
        "AutoETS take no missing values: 3 are filled with the newest value at their phase of the season"
    )


def test_nothing_after_an_origin_is_looked_at(made_models: None) -> None:
    panel, changed = (make_panel([with_holes(40, [17, 25])]) for _ in range(2))
    changed.target[26:] = 1e9
    before, after = (forecast_all(each, [0], [26], "AutoETS")[0]["AutoETS"] for each in (panel, changed))
    np.testing.assert_array_equal(before.quantiles, after.quantiles)


def test_a_long_history_is_cut_and_the_user_hears_of_it(made_models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistical, "LONGEST_HISTORY", 12)
    found = forecast_all(make_panel(waves((40,))), [0, 0], [12, 30], "MSTL", seasons=(2, 8))
    assert found[0]["MSTL"].point[:, 0].tolist() == [2, 2]
    assert [notice.text for notice in found[1]] == ["MSTL are fitted to the newest 12 steps of 1 longer histories"]


def test_a_fit_that_fails_loses_no_other(made_models: None) -> None:
    panel = make_panel(waves((40, 30)))
    found = forecast_all(panel, [0, 1], [20, 2], "AutoETS", "AutoTheta")
    assert np.isfinite(found[0]["AutoETS"].point).all(axis=1).tolist() == [True, False]
    assert np.isnan(found[0]["AutoTheta"].point).all()
    assert [notice.text.partition(" (the first of ")[::2] for notice in found[1]] == [
        ("AutoETS failed on 1 of 2 windows, which are left out of its scores", "'s1': tiny datasets)"),
        ("AutoTheta failed on 2 of 2 windows, which are left out of its scores", "'s0': its forecast is not finite)"),
    ]


def test_what_a_model_prints_does_not_reach_the_results(made_models: None, capsys: pytest.CaptureFixture[str]) -> None:
    forecast_all(make_panel(waves((40,))), [0], [20], "AutoETS")
    assert capsys.readouterr().out == ""


def test_no_model_costs_nothing(no_statsforecast: None) -> None:
    found = forecast_all(make_panel(waves((40,))), [0], [20])
    assert found == ({}, ())
    check_statistical((), 10**9)


def test_a_missing_extra_says_what_to_install(no_statsforecast: None) -> None:
    expected = r"--models needs statsforecast, which is not installed\. Run `pip install 'seqcast\[baselines\]'`"
    with pytest.raises(UsageError, match=expected):
        check_statistical(("AutoETS",), 1)


def test_a_library_that_lacks_a_part_of_its_own_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_library.py").write_text("import a_part_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_part_that_is_not_there"):
        import_extra("broken_library", "baselines", "--models")
    assert "broken_library" not in sys.modules


def test_an_unknown_model_is_refused(made_models: None) -> None:
    with pytest.raises(UsageError, match=r"--models 'Prophet' is not one of AutoETS, AutoTheta, MSTL"):
        check_statistical(("AutoETS", "Prophet"), 1)


def test_more_windows_than_anyone_waits_for_are_refused(made_models: None) -> None:
    with pytest.raises(UsageError, match=r"AutoETS would be refitted at each of 10,001 windows; at most 10,000"):
        check_statistical(("AutoETS",), 10_001)
