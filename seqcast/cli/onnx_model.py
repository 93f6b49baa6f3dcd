"""An exported model and the table to forecast: where `predict --onnx` begins. It imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.cli.settings import Settings
from seqcast.errors import UsageError
from seqcast.panel.notices import Notice

if TYPE_CHECKING:
    from seqcast.panel_forecasts import Prediction
    from seqcast.portable.onnx_file import OnnxModel
    from seqcast.run.source import Source


@dataclass(frozen=True)
class LoadedOnnx:
    """An exported model ready to forecast."""

    model: "OnnxModel"
    source: "Source"


def require_no_run(onnx: Path, options: dict[str, bool]) -> None:
    """Refuse options that an exported model does not know; `options` says which were given.

    Raises:
        UsageError: One was.
    """
    given = next((name for name, is_given in options.items() if is_given), None)
    if given is not None:
        raise UsageError(
            f"--{given} needs a run, and --onnx {onnx} is an exported model.", hint=f"Drop --{given}, or give --run."
        )


def load_onnx(screen: Screen, onnx: Path, data: str | None, settings: Settings) -> LoadedOnnx:
    """Read an exported model and a table with its columns, or under the headings that the settings tell.

    Raises:
        UsageError: No table is given; an exported model does not name that of its training.
        RunError: The model cannot be used.
        DataError: The table cannot be used.
    """
    from seqcast.portable.onnx_file import OnnxModel
    from seqcast.run.headings import Given
    from seqcast.run.source import read_run_source

    if data is None:
        raise UsageError("an exported model needs a table.", hint=f"Run `seqcast predict DATA --onnx {onnx}`.")
    model = OnnxModel.read(onnx)
    screen.say(f"model: {onnx}")
    given = Given(settings.sections["data"], settings.reading, settings.static_file)
    source = read_run_source(model.card.record, model.config, data, given)
    notices = list(source.notices)
    if model.card.record.status == "diverged":
        text = "the training of this model diverged; the forecast uses its best weights before that"
        notices.append(Notice("repair", text))
    screen.notices(notices)
    return LoadedOnnx(model, source)


def forecast_of_onnx(screen: Screen, loaded: LoadedOnnx, horizon: int | None, future: Path | None) -> "Prediction":
    """Forecast the table, and show what was noticed."""
    from seqcast.portable.forecasting import predict

    future_table = None if future is None else loaded.source.read_future(str(future))
    prediction = predict(loaded.model, loaded.source.panel, horizon, future_table)
    screen.notices(prediction.notices)
    return prediction
