"""An exported model and the table to forecast: where `predict --onnx` begins. It imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.cli.settings import Settings
from seqcast.errors import UsageError
from seqcast.panel.notices import Notice

if TYPE_CHECKING:
    from seqcast.portable.onnx_file import OnnxModel
    from seqcast.run.record import RunRecord
    from seqcast.run.run_table import RunTable
    from seqcast.run.source import Source


@dataclass(frozen=True)
class LoadedOnnx:
    """An exported model ready to forecast."""

    model: "OnnxModel"
    source: "Source"


@dataclass(frozen=True)
class OpenedOnnx:
    """An exported model, and the table to forecast, which is not read yet."""

    model: "OnnxModel"
    table: "RunTable"
    notices: tuple[Notice, ...]
    """Those about the model."""

    @property
    def record(self) -> "RunRecord":
        return self.model.card.record

    @property
    def device(self) -> None:
        """None: onnxruntime runs it on the CPU."""
        return

    def read(self, screen: Screen) -> LoadedOnnx:
        """Read the table and print what was noticed.

        Raises:
            DataError: The table cannot be used.
        """
        source = self.table.read()
        screen.notices([*source.notices, *self.notices])
        return LoadedOnnx(self.model, source)


@dataclass(frozen=True)
class FoundOnnx:
    """An exported model that is not read yet, and the table to forecast."""

    onnx: Path
    data: str
    settings: Settings

    def open(self, screen: Screen, device: str = "auto", context: int | None = None) -> OpenedOnnx:
        """Read the model; its table has the columns of the run, or the headings that the settings tell.

        Raises:
            RunError: The model cannot be used.
        """
        from seqcast.portable.onnx_file import OnnxModel
        from seqcast.run.headings import Given
        from seqcast.run.run_table import RunTable

        assert device == "auto", "an exported model has no device"
        assert context is None, "an exported model has its own context"
        model, settings = OnnxModel.read(self.onnx), self.settings
        screen.say(f"model: {self.onnx}")
        given = Given(settings.sections["data"], settings.reading, settings.static_file)
        notices: tuple[Notice, ...] = ()
        if model.card.record.status == "diverged":
            text = "the training of this model diverged; the forecast uses its best weights before that"
            notices = (Notice("repair", text),)
        return OpenedOnnx(model, RunTable(model.card.record, model.config, self.data, given), notices)


def find_onnx(onnx: Path, data: str | None, settings: Settings, options: dict[str, bool]) -> FoundOnnx:
    """The exported model and its table; `options` says which options were given that only a run knows.

    Raises:
        UsageError: One was, or no table is given; an exported model does not name that of its training.
    """
    given = next((name for name, is_given in options.items() if is_given), None)
    if given is not None:
        hint = "Give one of them." if given == "run" else f"Leave --{given} out, or give --run instead of --onnx."
        raise UsageError(f"--{given} belongs to a run, and --onnx {onnx} is an exported model.", hint=hint)
    if data is None:
        raise UsageError("an exported model needs a table.", hint=f"Run `seqcast predict DATA --onnx {onnx}`.")
    return FoundOnnx(onnx, data, settings)
