"""The forecaster of sktime; what needs the library runs where `pip install 'seqcast[sktime]'` was run."""

import pickle
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from seqcast import Config, Forecaster
from seqcast.errors import DataError, UsageError
from seqcast.sktime import SeqcastForecaster

needs_sktime = pytest.mark.skipif(find_spec("sktime") is None, reason="sktime is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # sktime announces what its next versions change

QUICK = Config().override(model={"hidden": 3}, training={"max_steps": 2, "refit": False})
DAYS = pd.date_range("2024-01-01", periods=80, freq="D")


def days(*columns: str) -> pd.DataFrame:
    """Daily series with a week in them, each at a level of its own."""
    steps = np.arange(len(DAYS))
    noise = np.random.default_rng(5).normal(size=(len(DAYS), len(columns)))
    values = 10 * np.arange(1, len(columns) + 1) + np.sin(2 * np.pi * steps / 7)[:, None] + 0.1 * noise
    return pd.DataFrame(values, DAYS, list(columns))


def test_without_sktime_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sktime", None)
    with pytest.raises(UsageError, match="SeqcastForecaster needs sktime, which is not installed") as failure:
        SeqcastForecaster()
    assert failure.value.hint == ("Run `pip install 'seqcast[sktime]'`.",)


@needs_sktime
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_it_passes_every_check_of_sktime() -> None:
    from sktime.utils.estimator_checks import check_estimator

    results = check_estimator(SeqcastForecaster, verbose=False)
    assert len(results) > 300
    assert {name: result for name, result in results.items() if result != "PASSED"} == {}


@needs_sktime
def test_forecasts_and_quantiles_are_those_of_the_forecaster() -> None:
    y = days("a")
    own = SeqcastForecaster(context=14, config=QUICK).fit(y["a"], fh=[1, 4])
    table = Forecaster(4, 14, config=QUICK).fit(y["a"].rename_axis("ds").rename("y").reset_index()).predict(level=90)
    steps = table.iloc[[0, 3]]
    np.testing.assert_allclose(own.predict(), steps["seqcast"])
    assert list(own.predict().index) == [DAYS[-1] + pd.Timedelta(days=1), DAYS[-1] + pd.Timedelta(days=4)]
    quantiles = own.predict_quantiles(alpha=[0.95, 0.5, 0.05])
    np.testing.assert_allclose(quantiles["a"], steps[["seqcast-hi-90", "seqcast", "seqcast-lo-90"]])
    np.testing.assert_allclose(own.predict_interval(coverage=0.9)["a"][0.9]["lower"], steps["seqcast-lo-90"])


@needs_sktime
def test_columns_and_instances_are_learned_together_and_answered_apart() -> None:
    wide = days("low", "high")
    panel = pd.concat({"south": wide, "north": wide + 100}, names=["region", "day"])
    answer = SeqcastForecaster(context=14, config=QUICK).fit(panel, fh=[1, 2]).predict()
    assert list(answer.index) == [
        (name, DAYS[-1] + pd.Timedelta(days=i)) for name in ("south", "north") for i in (1, 2)
    ]
    np.testing.assert_allclose(answer.loc["south"], [[10, 20], [10, 20]], atol=3)
    np.testing.assert_allclose(answer.loc["north"], [[110, 120], [110, 120]], atol=3)


@needs_sktime
def test_exogenous_data_are_known_covariates_whose_future_is_needed() -> None:
    y, later = days("a"), pd.date_range(DAYS[-1] + pd.Timedelta(days=1), periods=3)
    promo = pd.DataFrame({"promo": np.arange(83) % 2.0}, DAYS.append(later))
    fitted = SeqcastForecaster(context=14, config=QUICK).fit(y, X=promo[:80], fh=[1, 2, 3])
    assert fitted.predict(X=promo[80:]).shape == (3, 1)
    with pytest.raises(
        DataError, match=r"^the forecast needs the future values of 'promo'\. Pass X with a row for each step\."
    ):
        fitted.predict()


@needs_sktime
@pytest.mark.parametrize("update_params", [False, True])
def test_an_update_lets_forecasts_begin_later(update_params: bool) -> None:
    y = days("a")
    early = SeqcastForecaster(horizon=2, context=14, config=QUICK).fit(y[:70])
    early.update(y[70:], update_params=update_params)
    model = (y if update_params else y[:70])["a"].rename_axis("ds").rename("y").reset_index()
    own = Forecaster(2, 14, config=QUICK).fit(model)
    expected = own.predict(frame=y["a"].rename_axis("ds").rename("y").reset_index())
    np.testing.assert_allclose(early.predict(fh=[1, 2])["a"], expected["seqcast"])
    assert early.predict(fh=[1]).index[0] == DAYS[-1] + pd.Timedelta(days=1)


@needs_sktime
def test_steps_that_an_update_has_passed_are_refused() -> None:
    y = days("a")
    fitted = SeqcastForecaster(context=14, config=QUICK).fit(y[:70], fh=DAYS[70:72])
    fitted.update(y[70:])
    with pytest.raises(NotImplementedError, match="in-sample"):
        fitted.predict()


@needs_sktime
def test_a_fitted_forecaster_survives_pickling_and_clones_to_one_that_is_not_fitted() -> None:
    fitted = SeqcastForecaster(context=14, config=QUICK).fit(days("a"), fh=[1])
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(fitted)).predict(), fitted.predict())
    clone = fitted.clone()
    assert not clone.is_fitted
    assert clone.get_params() == fitted.get_params()


@needs_sktime
def test_numbers_that_look_like_dates_are_steps() -> None:
    y = days("a").set_axis(pd.RangeIndex(202401, 202401 + len(DAYS)))
    assert list(SeqcastForecaster(context=14, config=QUICK).fit(y, fh=[1, 2]).predict().index) == [202481, 202482]


@needs_sktime
def test_a_point_loss_has_no_intervals_and_a_value_out_of_range_is_refused() -> None:
    assert not SeqcastForecaster(config=QUICK.override(training={"loss": "mae"})).get_tag("capability:pred_int")
    with pytest.raises(UsageError, match="horizon"):
        SeqcastForecaster(horizon=0)
