"""Past origins ranked by the error of their forecast, and the attention of the worst and the best."""

import json
from dataclasses import replace

import numpy as np
import pytest

from seqcast.attention import error_tenths
from seqcast.attention.error_tenths import TENTHS, tenths_by_error
from seqcast.attention.inspection import Question, inspect
from seqcast.errors import DataError, SeqcastError, UsageError
from seqcast.forecasting import Forecasting
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel
from tests.attention.conftest import CONTEXT, HORIZON
from tests.panels import make_panel, planted_series, random_model, small_config


def test_a_tenth_of_the_origins_is_the_worst_and_a_tenth_the_best(planted: TrainedModel, panel: Panel) -> None:
    _, ranked = tenths_by_error(planted, panel, 5)
    worst, rest, best = ranked.groups
    assert tuple(group.label for group in ranked.groups) == TENTHS
    assert (worst.num_windows, rest.num_windows, best.num_windows) == (3, 29, 3)
    assert worst.lowest_error >= rest.highest_error >= rest.lowest_error >= best.highest_error
    assert worst.lowest_error <= worst.mean_error <= worst.highest_error


def test_the_error_is_the_mean_absolute_one_over_that_of_the_seasonal_naive(
    planted: TrainedModel, panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_tenths, "_AT_ONCE", 11)
    _, ranked = tenths_by_error(planted, panel, 5)
    origins = ranked.origins
    forecasts = Forecasting(planted, panel, panel.lengths).forecast(origins).point
    for window in (0, 17, 34):
        start, end = panel.offsets[origins.series[window] : origins.series[window] + 2]
        values, position = panel.target[start:end], origins.positions[window]
        error = np.abs(values[position : position + HORIZON] - forecasts[window]).mean()
        naive = np.abs(values[planted.season :] - values[: -planted.season]).mean()
        assert ranked.errors[window] == pytest.approx(error / naive, rel=1e-5)


def test_the_groups_of_the_report_are_those_windows(planted: TrainedModel, panel: Panel) -> None:
    forecasting, ranked = tenths_by_error(planted, panel, 5)
    weights = np.concatenate([part.weights for part in forecasting.attention(ranked.origins)])
    found = inspect(planted, panel, Question(windows=5, group_by="error", relative="origin"))
    assert [group.label for group in found.report.groups] == list(TENTHS)
    for code, group in enumerate(found.report.groups):
        own = weights[ranked.windows.codes == code].mean(axis=(0, 1))[::-1]
        assert np.allclose(group.share, own, atol=1e-6)
    document = json.loads(json.dumps(found.as_dict(3), allow_nan=False))
    assert [group["label"] for group in document["errors"]] == list(TENTHS)


def test_past_origins_are_judged_by_the_network_that_has_not_seen_them(planted: TrainedModel, panel: Panel) -> None:
    config = small_config(model={"horizon": HORIZON, "context": CONTEXT})
    refitted = replace(random_model(panel, config), validated=planted.network)
    question = Question(windows=5, group_by="error", suggest=True)
    expected, found = (inspect(model, panel, question) for model in (planted, refitted))
    assert found.errors == expected.errors
    assert found.context == expected.context
    assert np.array_equal(found.report.overall.share, expected.report.overall.share)


def test_maps_in_pieces_keep_their_groups(planted: TrainedModel, panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question(windows=5, group_by="error")
    whole = inspect(planted, panel, question).report
    monkeypatch.setattr("seqcast.forecasting.BATCH_STEPS", 7 * (CONTEXT + HORIZON))
    parts = inspect(planted, panel, question).report
    for one, other in zip(whole.groups, parts.groups, strict=True):
        assert np.allclose(one.share, other.share, atol=1e-6)


def test_without_a_number_there_are_about_200_windows(planted: TrainedModel, panel: Panel) -> None:
    _, ranked = tenths_by_error(planted, panel)
    assert len(ranked.errors) == 7 * 29
    assert inspect(planted, panel, Question(group_by="error")).report.num_windows == 7 * 29


def test_origins_of_a_series_that_repeats_itself_exactly_are_left_out(planted: TrainedModel) -> None:
    season = planted.season
    panel = make_panel([*planted_series(1, 211, (7, 11)), np.tile(np.arange(float(season)), 30)])
    forecasting, ranked = tenths_by_error(planted, panel, 20)
    assert ranked.origins.series.tolist() == [0] * 20
    assert np.isfinite(ranked.errors).all()
    assert forecasting.panel is panel


def test_origins_whose_truth_is_missing_are_left_out(planted: TrainedModel) -> None:
    panel = make_panel(planted_series(1, 211, (7, 11)))
    panel.target[190:201] = np.nan
    assert len(tenths_by_error(planted, panel, 20)[1].errors) == 18


@pytest.mark.parametrize(
    ("error", "question", "message"),
    [
        (DataError, Question(windows=1), "7 past origins can be ranked by error; a worst and a best tenth need 10"),
        (UsageError, Question(windows=0), "--windows 0: at least one origin is needed"),
        (
            UsageError,
            Question(origin=np.array([np.datetime64("2024-03-01", "us")])),
            "--by error ranks many origins, --origin names one",
        ),
    ],
)
def test_origins_that_cannot_be_ranked_are_refused(
    error: type[SeqcastError], question: Question, message: str, planted: TrainedModel, panel: Panel
) -> None:
    with pytest.raises(error, match=message):
        inspect(planted, panel, replace(question, group_by="error"))
