"""`seqcast predict`: forecast from the end of every series."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.engine_choice import EngineChoice
from seqcast.cli.forecast_parts import ForecastRequest, write_in_parts
from seqcast.cli.libraries import forgo_pandas
from seqcast.cli.loaded_run import LoadedRun, OpenedRun, find_run_and_table
from seqcast.cli.onnx_model import LoadedOnnx, OpenedOnnx, find_onnx
from seqcast.cli.plot_output import plot_format, write_forecast_plot
from seqcast.cli.settings import PLANNED, TABLE_PANELS, Settings, with_settings
from seqcast.cli.signals import told_stops
from seqcast.cli.table_output import TableOutput
from seqcast.config import Format
from seqcast.engines.engine import Engine
from seqcast.errors import NOTHING_KEPT, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seqcast.panel.panel import Panel
    from seqcast.panel_forecasts import Prediction
    from seqcast.reading.table import Table
    from seqcast.results.forecast import Forecast
    from seqcast.results.sample_paths import Aggregate, SamplePlan
    from seqcast.run.load import TrainedModel

PLOT_HEIGHT = 18
PARTS_KEPT = "The parts that are written stay; the same command writes the others."


@with_settings(*TABLE_PANELS, omit=PLANNED)
def predict(
    data: opt.OwnData = None,
    *,
    settings: Settings,
    run: opt.RunPath = None,
    onnx: Annotated[
        Path | None, typer.Option(readable=False, help="Exported model to forecast with in place of a run.")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(help="Steps to forecast, any positive number; as trained if not given.")
    ] = None,
    future: Annotated[Path | None, typer.Option(help="Table with future values of the known covariates.")] = None,
    model: Annotated[
        str,
        typer.Option(help="Forecast of the run, or a naive one to compare with: naive, seasonal-naive, drift, mean."),
    ] = "seqcast",
    samples: Annotated[
        int | None, typer.Option(help="Sample paths of each series, in place of the forecast and its intervals.")
    ] = None,
    aggregate: Annotated[
        Literal["sum", "mean", "min", "max"] | None,
        typer.Option(help="Forecast this number over the horizon, from sample paths.", case_sensitive=False),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sample paths. [default: 0]")] = None,
    context: opt.UsedContext = None,
    device: opt.DeviceName = "auto",
    engine: opt.EngineName = "single",
    address: opt.Address = None,
    workers: opt.Workers = None,
    level: opt.Levels = opt.DEFAULT_LEVELS,
    output: opt.OutputFileOrFolder = None,
    format: Annotated[  # noqa: A002  # the option is called --format
        Format | None, opt.OutputOption(help="Format of the table; from the file's name if not given.")
    ] = None,
    excel_safe: opt.ExcelSafe = False,
    plot: Annotated[
        bool | None,
        opt.OutputOption(
            help="Draw the first series; only on a terminal if not given. --plot FILE.png, .svg or .html draws to FILE."
        ),
    ] = None,
    plot_file: Annotated[Path | None, opt.OutputOption("--plot-file", hidden=True)] = None,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Forecast every series from right after its last observation."""
    forgo_pandas()
    levels = opt.parse_levels(level)
    choice = EngineChoice.from_options(engine, address, workers)
    screen = Screen(quiet=quiet)
    if plot_file is not None:
        plot_format(plot_file)
    asked = SampleRequest.from_options(samples, aggregate, seed, level)
    table = TableOutput.from_options(output, format, excel_safe=excel_safe, folders=True)
    wanted = output is not None or format is not None
    needs_whole = {"samples": samples, "aggregate": aggregate, "plot": plot or plot_file}
    whole = next((name for name, value in needs_whole.items() if value), None)
    if table.is_folder and whole is not None:
        raise UsageError(f"--{whole} writes one file, and {output} is a folder.", hint="Give a file as --output.")
    given = {"run": run is not None, "model": model != "seqcast", "context": context is not None}
    given |= {"device": device != "auto", "samples": samples is not None, "aggregate": aggregate is not None}
    found = find_run_and_table(run, data, settings) if onnx is None else find_onnx(onnx, data, settings, given)
    module = "seqcast.forecasting" if onnx is None else "seqcast.portable.forecasting"
    with told_stops(PARTS_KEPT if table.is_folder else NOTHING_KEPT), choice.starting(device, module) as starting:
        opened = found.open(screen, device, context)
        if asked is not None and isinstance(opened, OpenedRun):
            opened.model.named(model).require_dependence()
        request = request_of(opened, model, horizon, future, levels)
        started = starting.engine(screen, opened.device)
        if wanted and whole is None and write_in_parts(screen, request, table, started):
            return
        loaded = request.opened.read(screen)
        prediction = request.forecast(loaded.source, request.read_future(loaded.source), started)
    screen.notices(prediction.notices)
    from seqcast.report.forecasts import forecast_preview

    if asked is not None and isinstance(request.opened, OpenedRun):
        show_samples(screen, request.opened.model.named(model), prediction.forecast, asked, table if wanted else None)
    elif wanted:
        table.write(screen, request.table_of(prediction))
    else:
        screen.result(forecast_preview(prediction.forecast, levels))
    if plot_file is not None:
        write_forecast_plot(screen, plot_file, loaded, prediction.forecast, levels)
    if plot or (plot is None and not wanted and screen.out.is_terminal):
        screen.result(draw_first_series(screen, loaded, prediction.forecast, levels))


def request_of(
    opened: OpenedRun | OpenedOnnx, name: str, horizon: int | None, future: Path | None, levels: tuple[float, ...]
) -> ForecastRequest:
    """The request for forecasts of a run or of an exported model, or for naive ones of this name.

    Raises:
        UsageError: There is no forecast of this name.
    """
    if isinstance(opened, OpenedRun):
        return request_of_run(opened, name, horizon, future, levels)
    return request_of_onnx(opened, horizon, future, levels)


def request_of_run(
    opened: OpenedRun, name: str, horizon: int | None, future: Path | None, levels: tuple[float, ...]
) -> ForecastRequest:
    """The request for forecasts of a run, or for naive ones.

    Raises:
        UsageError: There is no forecast of this name.
    """
    from seqcast.attention.usual_attention import drift_notices
    from seqcast.forecasting import predict as predict_ahead

    model = opened.model.named(name)

    def forecast(panel: "Panel", future_table: "Table | None", engine: Engine) -> "Prediction":
        return predict_ahead(model, panel, horizon, future_table, engine)

    facts = ("run", name, model.context, horizon)
    return ForecastRequest(opened, forecast, partial(drift_notices, model), future, levels, facts)


def request_of_onnx(
    opened: OpenedOnnx, horizon: int | None, future: Path | None, levels: tuple[float, ...]
) -> ForecastRequest:
    """The request for forecasts of an exported model."""
    from seqcast.portable.forecasting import predict as predict_ahead

    model = opened.model

    def forecast(panel: "Panel", future_table: "Table | None", engine: Engine) -> "Prediction":
        return predict_ahead(model, panel, horizon, future_table, engine)

    facts = ("onnx", opened.model.fingerprint, horizon)
    return ForecastRequest(opened, forecast, lambda _panel: (), future, levels, facts)


@dataclass(frozen=True)
class SampleRequest:
    """Sample paths that are asked for, or a total over the horizon of each."""

    plan: "SamplePlan"
    aggregate: "Aggregate | None"
    levels: tuple[float, ...]
    """Levels of the intervals of a total."""

    @classmethod
    def from_options(
        cls, samples: int | None, aggregate: "Aggregate | None", seed: int | None, level: str
    ) -> "SampleRequest | None":
        """The request that options make; None where they make none.

        Raises:
            UsageError: A number is out of range, or an option would say nothing.
        """
        if samples is None and aggregate is None:
            if seed is not None:
                raise UsageError("--seed is for sample paths.", hint="Give --samples or --aggregate, too.")
            return None
        if aggregate is None and level != opt.DEFAULT_LEVELS:
            hint = "Drop one, or add --aggregate."
            raise UsageError("--level is for intervals, and sample paths have none.", hint=hint)
        from seqcast.results.sample_paths import USUAL_SAMPLES, SamplePlan

        plan = SamplePlan(USUAL_SAMPLES if samples is None else samples, seed or 0)
        return cls(plan, aggregate, opt.parse_levels(level))


def show_samples(
    screen: Screen, model: "TrainedModel", forecast: "Forecast", asked: SampleRequest, table: TableOutput | None
) -> None:
    """Write sample paths or totals to a table, or show the first of them."""
    from seqcast.report.samples import samples_preview, totals_view
    from seqcast.results.sample_paths import draw_paths, draw_totals

    plan = asked.plan
    paths = draw_paths(forecast, model.require_dependence(), model.horizon, plan)
    if asked.aggregate is not None:
        totals = draw_totals(forecast, paths, asked.aggregate, asked.levels)
        if table is None:
            screen.result(totals_view(totals, plan.num_samples))
        else:
            from seqcast.frames import totals_frame

            table.write(screen, totals_frame(totals, model.schema))
    elif table is None:
        screen.result(samples_preview(next(paths), plan.num_samples, len(forecast.series_ids)))
    else:
        from seqcast.tables import sample_table

        tables = (sample_table(each, model.schema) for each in paths)
        table.write_stream(screen, tables, forecast.series_ids)


def draw_first_series(
    screen: Screen, loaded: LoadedRun | LoadedOnnx, forecast: "Forecast", levels: tuple[float, ...]
) -> "RenderableType":
    """Draw the end of the first series, its forecast and its widest interval."""
    import numpy as np
    from rich.text import Text

    from seqcast.report.plots import SeriesPlot, draw_plot
    from seqcast.results.forecast import interval

    panel = loaded.source.panel
    series = panel.series_ids.index(forecast.series_ids[0])
    position = int(panel.frequency.steps_between(panel.starts[series : series + 1], forecast.cutoffs[:1])[0])
    shown = min(position + 1, max(3 * forecast.horizon, loaded.model.season * 2))
    start = int(panel.offsets[series]) + position + 1 - shown
    history = panel.target[start : start + shown]
    steps = np.arange(position + 1 - shown, position + 1 + forecast.horizon)
    bounds = np.full((2, 1, forecast.horizon), np.nan)
    if levels and forecast.quantile_levels:
        bounds = np.stack(interval(forecast, max(levels)))
    times = panel.frequency.wall(panel.times(np.array([series]), steps))
    drawn = SeriesPlot(forecast.series_ids[0], times, history, forecast.point[0], bounds[0, 0], bounds[1, 0])
    color = screen.out.color_system is not None and not screen.out.no_color
    return Text.from_ansi(draw_plot(drawn, screen.out.width, PLOT_HEIGHT, color=color))
