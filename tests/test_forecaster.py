import signal
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import numpy as np
import pandas as pd
import pytest

import seqcast
from seqcast import Forecaster
from seqcast.config import Config
from seqcast.errors import DataError, DivergedError, RunError, SeqcastWarning, StoppedError, UsageError
from seqcast.training.loop import Hooks, Progress
from tests.running import CONTEXT, HORIZON, TINY, done, hours, wave, write_future, write_hourly, write_panel

LENGTHS = {"b": 131, "a": 113}
SMALL = Config().override(model={"hidden": 7, "location": "last"}, training={"max_steps": 3, "refit": False})
WITH_COVARIATES = SMALL.override(data={"known": ("promo",), "static": ("region",)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("frames")
    write_panel(made / "panel.csv", LENGTHS)
    write_future(made / "future.csv", LENGTHS, 2 * HORIZON)
    write_hourly(made / "hourly.csv")
    return made


@pytest.fixture
def panel(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "panel.csv")


@pytest.fixture
def future(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "future.csv")


@pytest.fixture
def hourly(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "hourly.csv", parse_dates=["ds"])


@pytest.fixture(scope="module")
def fitted(folder: Path) -> Forecaster:
    return Forecaster(HORIZON, CONTEXT, config=SMALL).fit(pd.read_csv(folder / "hourly.csv", parse_dates=["ds"]))


@pytest.fixture(scope="module")
def fitted_panel(folder: Path) -> Forecaster:
    return Forecaster(HORIZON, CONTEXT, config=WITH_COVARIATES).fit(pd.read_csv(folder / "panel.csv"))


def test_the_package_offers_the_forecaster_by_its_name_alone() -> None:
    assert seqcast.Forecaster is Forecaster
    with pytest.raises(AttributeError, match="module 'seqcast' has no attribute 'Predictor'"):
        seqcast.Predictor  # noqa: B018  # looking it up is what is tested


def test_fit_returns_the_forecaster_and_predict_the_forecast_table(hourly: pd.DataFrame) -> None:
    forecaster = Forecaster(horizon=HORIZON, context=CONTEXT, config=SMALL)
    assert forecaster.fit(hourly) is forecaster
    table = forecaster.predict(levels=(80, 97.5))
    bounds = ["seqcast-lo-80", "seqcast-hi-80", "seqcast-lo-97.5", "seqcast-hi-97.5"]
    assert list(table) == ["unique_id", "ds", "seqcast", *bounds]
    assert table["ds"].tolist() == [pd.Timestamp(time) for time in hours(131 + HORIZON)[131:]]
    assert set(table["unique_id"]) == {"y"}


def test_no_frame_is_ever_changed(panel: pd.DataFrame, future: pd.DataFrame) -> None:
    frames = (panel, future)
    before = [frame.copy(deep=True) for frame in frames]
    forecaster = Forecaster(HORIZON, CONTEXT, config=WITH_COVARIATES).fit(panel)
    forecaster.predict(future=future)
    forecaster.predict(frame=panel, future=future)
    forecaster.samples(3, frame=panel, future=future)
    forecaster.anomalies(panel)
    forecaster.attention(frame=panel)
    forecaster.backtest(frame=panel)
    for frame, copy in zip(frames, before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_the_command_and_the_forecaster_say_the_same(folder: Path, fitted: Forecaster, tmp_path: Path) -> None:
    done("train", folder / "hourly.csv", *TINY, "--run", tmp_path / "run")
    done("predict", "--run", tmp_path / "run", "--output", tmp_path / "f.parquet")
    told = pd.read_parquet(tmp_path / "f.parquet")
    pd.testing.assert_frame_equal(told, fitted.predict(), check_dtype=False, check_exact=True)


def test_sample_paths_are_those_of_the_command(folder: Path, fitted: Forecaster, tmp_path: Path) -> None:
    fitted.save(tmp_path / "run")
    words = ("predict", folder / "hourly.csv", "--run", tmp_path / "run", "--samples", 7, "--seed", 3)
    done(*words, "--horizon", 2 * HORIZON, "--output", tmp_path / "paths.parquet")
    drawn = fitted.samples(7, 2 * HORIZON, seed=3)
    assert list(drawn) == ["unique_id", "ds", "sample", "seqcast"]
    assert len(drawn) == 7 * 2 * HORIZON
    pd.testing.assert_frame_equal(
        drawn, pd.read_parquet(tmp_path / "paths.parquet"), check_dtype=False, check_exact=True
    )
    with pytest.raises(UsageError, match="samples=0: the number of sample paths must be at least 1"):
        fitted.samples(0)


def test_anomalies_are_those_of_the_command(folder: Path, fitted: Forecaster, tmp_path: Path) -> None:
    fitted.save(tmp_path / "run")
    newer = write_hourly(tmp_path / "newer.csv", num_rows=171)
    frame = pd.read_csv(newer, parse_dates=["ds"])
    for data, table in ((folder / "hourly.csv", None), (newer, frame)):
        done("anomalies", data, "--run", tmp_path / "run", "--level", 60, "--output", tmp_path / "a.parquet")
        found = fitted.anomalies(table, level=60)
        assert len(found) > 0
        pd.testing.assert_frame_equal(found, pd.read_parquet(tmp_path / "a.parquet"), check_dtype=False)
        assert ("new" in set(found["part"])) == (table is not None)


def test_known_covariates_come_from_the_future_frame(fitted_panel: Forecaster, future: pd.DataFrame) -> None:
    table = fitted_panel.predict(future=future)
    assert table["unique_id"].tolist() == ["b"] * HORIZON + ["a"] * HORIZON
    with pytest.raises(DataError, match="the forecast needs the future values of 'promo'"):
        fitted_panel.predict()
    with pytest.raises(DataError, match="future DataFrame, column 'promo': there is no known covariate column"):
        fitted_panel.predict(future=future[["unique_id", "ds"]])


def test_static_covariates_may_come_in_a_frame_of_their_own(panel: pd.DataFrame) -> None:
    plain = panel[["unique_id", "ds", "y"]]
    static = pd.DataFrame({"unique_id": ["a", "b"], "size": [2.0, 3.0]})
    forecaster = Forecaster(HORIZON, CONTEXT, config=SMALL.override(data={"static": ("size",)}))
    forecaster.fit(plain, static=static)
    table = forecaster.predict()
    pd.testing.assert_frame_equal(table, forecaster.predict(frame=plain))


@pytest.mark.parametrize("empty", [None, np.nan, pd.NA, ""])
def test_a_new_series_with_an_empty_static_value_is_forecast_like_one_of_an_unknown_category(
    fitted_panel: Forecaster, panel: pd.DataFrame, future: pd.DataFrame, empty: object
) -> None:
    new = panel[panel["unique_id"] == "a"].assign(unique_id="z")
    ahead = future[future["unique_id"] == "a"].assign(unique_id="z")
    with catch_warnings(record=True, action="always") as told:
        found = fitted_panel.predict(frame=new.assign(region=empty), future=ahead)
        expected = fitted_panel.predict(frame=new.assign(region="nowhere"), future=ahead)
    texts = " ".join(str(warning.message) for warning in told)
    assert "1 of 1 values of covariate 'region' are missing; they count as an unknown category" in texts
    assert "'region': categories that were not in the training data count as unknown: " in texts
    pd.testing.assert_frame_equal(found, expected)


def test_attention_weights_sum_to_one_and_lags_add_up(fitted: Forecaster) -> None:
    table = fitted.attention(windows=3)
    assert len(table) == 3 * HORIZON * CONTEXT
    np.testing.assert_allclose(table.groupby(["cutoff", "step"])["weight"].sum(), 1, atol=1e-5)
    assert (table["lag_target"] == table["lag_origin"] + table["step"] - 1).all()
    hour = pd.Timedelta(hours=1)
    assert (table["attended_ds"] == table["ds"] - table["lag_target"] * hour).all()


def test_backtest_scores_beside_the_naive_forecasts(fitted: Forecaster) -> None:
    done_test = fitted.backtest(windows=2, stride=3)
    assert len(done_test.actuals) == 2
    assert list(done_test.scores.as_dict()) == ["seqcast", "naive", "seasonal_naive"]
    with pytest.raises(UsageError, match="this run kept 0 test steps"):
        fitted.backtest("test")


def test_saved_and_loaded_elsewhere_it_forecasts_the_same_bits(
    fitted: Forecaster, hourly: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save(tmp_path / "saved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded = Forecaster.load("../saved")
    for horizon in (2, HORIZON, 11):
        pd.testing.assert_frame_equal(loaded.predict(horizon, frame=hourly), fitted.predict(horizon), check_exact=True)
    pd.testing.assert_frame_equal(loaded.attention(frame=hourly), fitted.attention())
    assert loaded.backtest(frame=hourly).scores.as_dict() == fitted.backtest().scores.as_dict()


def test_a_run_of_the_command_is_loaded_with_its_table_from_any_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done("train", "hourly.csv", *TINY, "--run", "r")
    expected = done("predict", "--run", "r", "--output", "-").table()
    monkeypatch.chdir(tmp_path)
    loaded = Forecaster.load(folder / "r")
    np.testing.assert_array_equal(loaded.predict()["seqcast"], expected["seqcast"])
    assert len(loaded.attention()) == HORIZON * CONTEXT
    assert len(loaded.backtest().actuals) > 0


def test_a_saved_forecaster_is_a_run_for_the_command(fitted: Forecaster, folder: Path, tmp_path: Path) -> None:
    fitted.save(tmp_path / "saved")
    shown = done("runs", "show", tmp_path / "saved").out
    assert "data                      DataFrame" in shown
    table = done("predict", folder / "hourly.csv", "--run", tmp_path / "saved", "--output", "-").table()
    np.testing.assert_array_equal(table["seqcast"], fitted.predict()["seqcast"])


def test_a_static_file_is_found_again_by_a_loaded_run(panel: pd.DataFrame, tmp_path: Path) -> None:
    plain = panel[["unique_id", "ds", "y"]]
    plain.to_csv(tmp_path / "plain.csv", index=False)
    (tmp_path / "static.csv").write_text("unique_id,size\na,2\nb,3\n")
    words = ("--static", "size", "--static-file", tmp_path / "static.csv", "--run", tmp_path / "run")
    done("train", tmp_path / "plain.csv", *TINY, *words)
    loaded = Forecaster.load(tmp_path / "run")
    pd.testing.assert_frame_equal(loaded.predict(frame=plain), loaded.predict())


def test_a_loaded_run_without_its_table_asks_for_a_frame(fitted: Forecaster, tmp_path: Path) -> None:
    fitted.save(tmp_path / "saved")
    loaded = Forecaster.load(tmp_path / "saved")
    for ask in (loaded.predict, loaded.attention, loaded.backtest):
        with pytest.raises(UsageError, match=r"the table this run was trained on is not there\. Pass a frame\."):
            ask()


def test_changed_data_of_a_loaded_run_is_a_warning(folder: Path, tmp_path: Path) -> None:
    data = write_hourly(tmp_path / "h.csv")
    done("train", data, *TINY, "--run", tmp_path / "run")
    write_hourly(data, 137)
    loaded = Forecaster.load(tmp_path / "run")
    with pytest.warns(UserWarning, match="has changed since the run was trained"):
        loaded.predict()
    loaded.predict()


def test_what_is_repaired_is_a_warning_in_the_name_of_the_caller(hourly: pd.DataFrame, fitted: Forecaster) -> None:
    gaps = hourly.drop(index=[40, 41])
    with pytest.warns(UserWarning, match="2 time steps have no row, first 2024-01-02 16:00:00") as caught:
        Forecaster(HORIZON, CONTEXT, config=SMALL).fit(gaps)
    assert {warning.filename for warning in caught} == {__file__}
    with pytest.warns(UserWarning, match="2 time steps have no row") as caught:
        fitted.predict(frame=gaps)
    assert {warning.filename for warning in caught} == {__file__}


def test_a_series_with_a_time_index_is_a_frame_too(hourly: pd.DataFrame, fitted: Forecaster) -> None:
    series = hourly.set_index("ds")["y"]
    for frame in (series.to_frame(), series):
        table = Forecaster(HORIZON, CONTEXT, config=SMALL).fit(frame).predict()
        np.testing.assert_array_equal(table["seqcast"], fitted.predict()["seqcast"])


def test_a_wide_frame_is_many_series() -> None:
    frame = pd.DataFrame({"at": pd.to_datetime(hours(101)), "north": wave(101), "east": wave(101, 7)})
    table = Forecaster(HORIZON, CONTEXT, config=SMALL).fit(frame).predict()
    assert table["unique_id"].tolist() == ["north"] * HORIZON + ["east"] * HORIZON
    assert list(table)[1] == "at"


def test_progress_is_told_through_hooks(hourly: pd.DataFrame) -> None:
    told: list[Progress] = []
    Forecaster(HORIZON, CONTEXT, config=SMALL).fit(hourly, hooks=Hooks(on_progress=told.append))
    assert [progress.step for progress in told if not progress.refit] == [1, 2, 3]


def test_an_unfitted_forecaster_says_so(tmp_path: Path) -> None:
    forecaster = Forecaster(HORIZON)
    for ask in (forecaster.predict, forecaster.attention, forecaster.backtest, lambda: forecaster.save(tmp_path)):
        with pytest.raises(UsageError, match=r"this forecaster has not been fitted\. Call fit first\."):
            ask()


@pytest.mark.parametrize("sizes", [{"horizon": 0}, {"horizon": -1}, {"context": 0}, {"horizon": "five"}])
def test_sizes_that_make_no_sense_are_refused_at_once(sizes: dict[str, object]) -> None:
    ((name, value),) = sizes.items()
    with pytest.raises(UsageError, match=rf"^{name}={value!r}: it should be "):
        Forecaster(**sizes)  # type: ignore[arg-type]


def test_bad_arguments_of_predict_are_refused(fitted: Forecaster) -> None:
    with pytest.raises(UsageError, match=r"^horizon=0: the number of steps to forecast must be at least 1"):
        fitted.predict(0)
    for wrong in ("five", 2.5):
        with pytest.raises(UsageError, match=rf"^horizon={wrong!r}: it should be a whole number\."):
            fitted.predict(wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=rf"^number={wrong!r}: it should be a whole number\."):
            fitted.samples(wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=rf"^stride={wrong!r}: it should be a whole number\."):
            fitted.anomalies(stride=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="An interval level must be between 0 and 100, got 100"):
        fitted.predict(levels=(100,))
    with pytest.raises(UsageError, match=r"^windows=0: at least one origin is needed"):
        fitted.attention(0)


def test_a_frame_that_cannot_be_used_is_named_as_such(fitted: Forecaster, hourly: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="DataFrame, column 'y': row 1: 'abc' is not a number"):
        Forecaster(HORIZON, config=Config().override(data={"target": ("y",)})).fit(hourly.assign(y="abc"))
    with pytest.raises(DataError, match="DataFrame"):
        fitted.predict(frame=hourly[["ds"]])


def test_an_occupied_place_is_not_saved_over(fitted: Forecaster, tmp_path: Path) -> None:
    fitted.save(tmp_path / "saved")
    with pytest.raises(RunError, match=r"saved: there is a run here already\. Give another path\.$"):
        fitted.save(tmp_path / "saved")
    with pytest.raises(UsageError, match="a loaded forecaster is already saved; copy its directory"):
        Forecaster.load(tmp_path / "saved").save(tmp_path / "again")


def test_a_place_without_run_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no seqcast run here"):
        Forecaster.load(tmp_path)


def test_a_diverged_fit_leaves_the_forecaster_unfitted(hourly: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcast.training.loop.take_step", lambda *_: float("inf"))
    forecaster = Forecaster(HORIZON, CONTEXT, config=SMALL)
    with pytest.raises(DivergedError, match="Training diverged"):
        forecaster.fit(hourly)
    assert forecaster.state is None


@pytest.mark.parametrize("frame", [[1, 2], None, {"y": [1, 2]}, np.arange(7)])
def test_what_is_no_frame_is_refused_in_words(frame: object) -> None:
    with pytest.raises(
        UsageError, match=rf"a table of pandas, polars or pyarrow is needed, not {type(frame).__name__}\.$"
    ):
        Forecaster().fit(frame)  # type: ignore[arg-type]


def test_errors_name_settings_instead_of_options_of_the_command_line(hourly: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"Say which with target=\.$"):
        Forecaster().fit(hourly.rename(columns={"y": "a"}).assign(b=1.0, unique_id="x"))
    with pytest.raises(DataError, match=r"'abc' is not a number\. Change the column in the frame\.$"):
        Forecaster().fit(hourly.astype({"y": object}).assign(y=["abc", *hourly["y"].astype(str)[1:]]))


def test_a_column_of_periods_is_the_time(hourly: pd.DataFrame) -> None:
    frame = pd.DataFrame({"ds": pd.period_range("2010-01", periods=len(hourly), freq="M"), "y": hourly["y"]})
    forecast = Forecaster(HORIZON, CONTEXT, config=SMALL).fit(frame).predict()
    assert forecast["ds"].iloc[0] == (frame["ds"].iloc[-1] + 1).to_timestamp()


def test_a_stop_is_told_as_it_is(hourly: pd.DataFrame) -> None:
    with pytest.raises(StoppedError, match=r"Stopped by SIGINT\. The state of step 1 is saved"):
        Forecaster(HORIZON, CONTEXT, config=SMALL).fit(hourly, hooks=Hooks(stop_signal=lambda: signal.SIGINT))


def test_a_fitted_and_a_loaded_forecaster_say_who_forecasts_how_well_and_after_what_time(
    fitted: Forecaster, tmp_path: Path
) -> None:
    summary = fitted.summary
    assert 0 < summary.seconds < 100
    assert "closed-form start" in summary.forecast_by
    errors = fitted.backtest(stride=1).scores
    ratio = errors.of("seqcast").overall.mae / errors.of("seasonal_naive").overall.mae
    assert summary.validation_error == pytest.approx(float(ratio), rel=0.02)
    assert f"error {summary.validation_error:.3f} of the seasonal naive's" in str(summary)
    fitted.save(tmp_path / "run")
    assert Forecaster.load(tmp_path / "run").summary == summary
    with pytest.raises(UsageError, match="has not been fitted"):
        Forecaster().summary  # noqa: B018  # asking is what is tested


def test_a_backtest_is_printed_as_a_table(fitted: Forecaster) -> None:
    done_test = fitted.backtest(windows=2)
    lines = str(done_test).splitlines()
    assert lines[0] == "Backtest of the validation part: 2 windows of 1 series, 5 steps apart"
    assert lines[1].split() == ["seqcast", "naive", "seasonal_naive"]
    (mae,) = (line.split() for line in lines if line.startswith("mae"))
    own = np.abs(done_test.forecast.point - done_test.actuals).mean()
    assert mae[1] == f"{own:.4g}"
    assert any(line.startswith("in 80 %") for line in lines)
    assert len({len(line) for line in lines[1:7]}) == 1


@pytest.mark.parametrize(
    ("asked", "levels"), [(90, ["90"]), ([80, 97.5], ["80", "97.5"]), ((), []), (None, ["80", "95"])]
)
@pytest.mark.parametrize("name", ["level", "levels"])
def test_levels_are_one_number_or_several_under_either_name(
    fitted: Forecaster, name: str, asked: Any, levels: list[str]
) -> None:
    table = fitted.predict(**{name: asked})
    assert list(table)[3:] == [f"seqcast-{side}-{level}" for level in levels for side in ("lo", "hi")]


def test_levels_that_make_no_sense_are_refused(fitted: Forecaster) -> None:
    with pytest.raises(UsageError, match="two names of the same argument"):
        fitted.predict(level=80, levels=[95])
    for wrong in (0, 100, [80, -1], float("nan")):
        with pytest.raises(UsageError, match="level must be between 0 and 100"):
            fitted.backtest(level=wrong)
    with pytest.raises(UsageError, match="A level is given twice"):
        fitted.backtest(levels=[80, 80])


def test_the_levels_of_a_backtest_are_those_asked_for(fitted: Forecaster) -> None:
    assert list(fitted.backtest(level=[50, 90]).scores.of("seqcast").overall.coverage) == ["50", "90"]


def test_a_naive_forecast_is_had_under_its_name(fitted: Forecaster, hourly: pd.DataFrame) -> None:
    table = fitted.predict(model="naive")
    assert list(table) == list(fitted.predict())
    assert table["seqcast"].tolist() == pytest.approx([hourly["y"].iloc[-1]] * HORIZON)
    with pytest.raises(UsageError, match="model=oracle: there is no such forecast"):
        fitted.predict(model="oracle")


def test_warnings_are_of_a_category_of_their_own(hourly: pd.DataFrame) -> None:
    """Values that repeat exactly, but a context that is too short to see them."""
    pattern = np.random.default_rng(0).normal(size=24)
    assert issubclass(seqcast.SeqcastWarning, UserWarning)
    with pytest.warns(seqcast.SeqcastWarning, match="seasonal naive forecast makes no error on validation"):
        Forecaster(HORIZON, 11, config=SMALL).fit(hourly.assign(y=np.resize(pattern, len(hourly))))


def test_networks_of_a_run_are_trained_further(folder: Path, hourly: pd.DataFrame, tmp_path: Path) -> None:
    config = SMALL.override(model={"lag_bias": False, "copy_gate": False})
    with pytest.warns(SeqcastWarning, match="the seasonal naive forecast is as good"):
        parent = Forecaster(HORIZON, CONTEXT, config=config).fit(hourly[:-24])
    parent.save(tmp_path / "parent")

    settings = Config().override(training={"max_steps": 2})
    with pytest.warns(SeqcastWarning, match="the seasonal naive forecast is as good"):
        further = Forecaster(config=settings).fit(hourly, from_run=tmp_path / "parent")

    assert len(further.predict()) == HORIZON
    further.save(tmp_path / "child")
    told = done("runs", "show", tmp_path / "child").out
    assert "goes on from" in told
    assert Forecaster.load(tmp_path / "child").predict(frame=hourly).equals(further.predict())
    with pytest.raises(UsageError, match=r"model\.horizon is 5 in this run and cannot become 7"):
        Forecaster(7).fit(hourly, from_run=tmp_path / "parent")
    with pytest.raises(DataError, match="its frequency is 'D'; this run was trained on 'h'"):
        Forecaster().fit(
            hourly.assign(ds=pd.date_range("2024-01-01", periods=len(hourly))), from_run=tmp_path / "parent"
        )
