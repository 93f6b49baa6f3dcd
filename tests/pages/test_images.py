import io
from xml.etree import ElementTree

import numpy as np
import pytest

from seqcast.attention.lag_report import lag_report
from seqcast.forecasting import attention_maps, predict
from seqcast.pages.charts import ForecastChart, Forecasts
from seqcast.pages.images import Format, draw_attention, draw_forecasts
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel
from tests.panels import make_panel, random_model, waves

NAMES = ("$x^2$ & <b>", "\x1b[31m\u202e", "plain")
BEGINNINGS: dict[Format, bytes] = {"png": b"\x89PNG\r\n", "svg": b"<?xml"}


@pytest.fixture(scope="module")
def panel() -> Panel:
    return make_panel(waves(), ids=NAMES)


@pytest.fixture(scope="module")
def model(panel: Panel) -> TrainedModel:
    return random_model(panel)


@pytest.fixture(scope="module")
def charts(panel: Panel, model: TrainedModel) -> list[ForecastChart]:
    forecasts = Forecasts(panel, model.season, (80.0, 95.0), predict(model, panel).forecast)
    return [forecasts.chart(series) for series in range(len(NAMES))]


def drawn(charts: list[ForecastChart], file_format: Format) -> bytes:
    file = io.BytesIO()
    assert draw_forecasts(charts, parse_frequency("D"), file, file_format) == ()
    return file.getvalue()


@pytest.mark.parametrize("file_format", ["png", "svg"])
def test_forecasts_are_drawn_whatever_the_names_are(charts: list[ForecastChart], file_format: Format) -> None:
    picture = drawn(charts, file_format)
    assert picture.startswith(BEGINNINGS[file_format])
    assert drawn(charts, file_format) == picture
    if file_format == "svg":
        tags = {node.tag.rpartition("}")[2] for node in ElementTree.fromstring(picture).iter()}
        assert "path" in tags
        assert not tags & {"b", "script"}


@pytest.mark.parametrize("file_format", ["png", "svg"])
@pytest.mark.parametrize("relative", ["target", "origin"])
def test_attention_is_drawn(panel: Panel, model: TrainedModel, file_format: Format, relative: str) -> None:
    file = io.BytesIO()
    report = lag_report(attention_maps(model, panel).maps, relative)  # type: ignore[arg-type]
    assert draw_attention(report, file, file_format) == ()
    assert file.getvalue().startswith(BEGINNINGS[file_format])


def test_letters_that_the_font_lacks_are_told(charts: list[ForecastChart]) -> None:
    from dataclasses import replace

    (notice,) = draw_forecasts([replace(charts[0], name="販売")], parse_frequency("D"), io.BytesIO(), "png")
    assert "the font of the picture lacks some letters" in notice.text


def test_steps_and_single_values_can_be_drawn() -> None:
    steps = np.arange(3)
    chart = ForecastChart("x", steps, np.array([1.0, np.nan, 2.0]), None, (), steps[:0], np.zeros(0))
    file = io.BytesIO()
    assert draw_forecasts([chart], parse_frequency("1"), file, "png") == ()
    assert file.getvalue().startswith(BEGINNINGS["png"])
