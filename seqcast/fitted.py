"""The state of a forecaster after `fit` or `load`, and a summary of it for people."""

from dataclasses import dataclass

from seqcast.experiments.recorded_training import TrainingJob
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.panel.wording import seconds_text
from seqcast.reading.data_frames import PANDAS, Library
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import Table
from seqcast.run.load import TrainedModel
from seqcast.run.record import RunRecord
from seqcast.training.fit import Fit


@dataclass(frozen=True, eq=False)
class FittedState:
    """The result of `fit` or `load`."""

    model: TrainedModel
    panel: Panel | None
    """None for a loaded run until its table is needed."""
    static: Table | None
    """The table of static covariates that `fit` was given."""
    notices: tuple[Notice, ...] = ()
    trained: tuple[TrainingJob, Fit] | None = None
    """None for a forecaster that was loaded."""
    record: RunRecord | None = None
    """None for a forecaster that was fitted."""
    library: Library = PANDAS
    """That of the frame that was given to `fit`."""

    @property
    def reading(self) -> ReadOptions:
        """Options of reading that hold for other frames too: their layout, and columns that are categories or ids."""
        if self.record is not None:
            own = self.record.data.read_options
        else:
            assert self.trained is not None
            own = self.trained[0].source.record().read_options
        return ReadOptions(layout=own.layout, text=own.text)


@dataclass(frozen=True)
class FitSummary:
    """The result of a training; printed, it is a sentence a line."""

    forecast_by: str
    """The networks, the linear start and naive forecasts that make the forecast, with their shares."""
    validation_loss: float
    validation_error: float | None
    """Mean absolute validation error over that of the seasonal naive forecast; None where that one has no error."""
    seconds: float
    """Time of training."""

    def __str__(self) -> str:
        error = "" if self.validation_error is None else f", error {self.validation_error:.3f} of the seasonal naive's"
        return (
            f"forecast by {self.forecast_by}\n"
            f"validation loss {self.validation_loss:.4f}{error}\n"
            f"trained in {seconds_text(self.seconds)}"
        )
