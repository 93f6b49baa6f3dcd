"""`Forecaster.export`, of a forecaster that was fitted and of one that was loaded."""

from pathlib import Path

import numpy as np
import pytest

from seqcast import Forecaster
from seqcast.errors import UsageError
from seqcast.portable.forecasting import predict
from seqcast.portable.onnx_file import OnnxModel
from seqcast.reading.assemble import build_panel
from seqcast.reading.data_frames import table_from_frame
from tests.panels import small_config
from tests.run.making_runs import daily_frame


def test_a_fitted_and_a_loaded_forecaster_write_the_same_model(tmp_path: Path) -> None:
    frame = daily_frame({"one": 61, "two": 53})[["unique_id", "ds", "y"]]
    forecaster = Forecaster(config=small_config()).fit(frame)
    forecaster.export(tmp_path / "fitted.onnx")
    forecaster.save(tmp_path / "run")
    Forecaster.load(tmp_path / "run").export(str(tmp_path / "loaded.onnx"), attention=True)
    expected = forecaster.predict(level=())["seqcast"].to_numpy()
    for name in ("fitted.onnx", "loaded.onnx"):
        model = OnnxModel.read(tmp_path / name)
        panel = build_panel(table_from_frame(frame), model.config.data).panel
        np.testing.assert_allclose(predict(model, panel).forecast.point.ravel(), expected, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::seqcast.errors.SeqcastWarning")
def test_what_is_asked_for_in_python_is_named_as_in_python(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has not been fitted"):
        Forecaster().export(tmp_path / "model.onnx")
    frame = daily_frame({"one": 61})[["unique_id", "ds", "y"]]
    config = small_config(training={"loss": "student-t"})
    with pytest.raises(UsageError, match="loss=student-t cannot be exported"):
        Forecaster(config=config).fit(frame).export(tmp_path / "model.onnx")
