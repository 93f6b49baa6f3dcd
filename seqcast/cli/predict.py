"""`seqcast predict`: forecast from the end of every series."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.loaded_run import LoadedRun, load_run
from seqcast.cli.plot_output import plot_format, write_forecast_plot
from seqcast.cli.settings import PLANNED, TABLE_PANELS, Settings, with_settings
from seqcast.cli.table_output import TableOutput
from seqcast.config import Format

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seqcast.results.forecast import Forecast

PLOT_HEIGHT = 18


@with_settings(*TABLE_PANELS, omit=PLANNED)
def predict(
    data: opt.OwnData = None,
    *,
    settings: Settings,
    run: opt.RunPath = None,
    horizon: Annotated[
        int | None, typer.Option(help="Steps to forecast, any positive number; as trained if not given.")
    ] = None,
    future: Annotated[Path | None, typer.Option(help="Table with future values of the known covariates.")] = None,
    model: Annotated[
        str,
        typer.Option(help="Forecast of the run, or a naive one to compare with: naive, seasonal-naive, drift, mean."),
    ] = "seqcast",
    context: opt.UsedContext = None,
    device: opt.DeviceName = "auto",
    level: opt.Levels = opt.DEFAULT_LEVELS,
    output: opt.OutputFile = None,
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
    levels = opt.parse_levels(level)
    screen = Screen(quiet=quiet)
    if plot_file is not None:
        plot_format(plot_file)
    from seqcast.attention.usual_attention import drift_notices
    from seqcast.forecasting import predict as predict_ahead
    from seqcast.output import forecast_frame
    from seqcast.report.forecasts import forecast_preview

    table = TableOutput.from_options(output, format, excel_safe=excel_safe)
    loaded = load_run(screen, run, data, settings, device, context)
    forecaster = loaded.model.named(model)
    future_table = None if future is None else loaded.source.read_future(str(future))
    prediction = predict_ahead(forecaster, loaded.source.panel, horizon, future_table)
    screen.notices((*prediction.notices, *drift_notices(forecaster, loaded.source.panel)))
    wanted = output is not None or format is not None
    if wanted:
        frame = forecast_frame(prediction.forecast, loaded.model.schema, levels)
        table.write(screen, frame)
    else:
        screen.result(forecast_preview(prediction.forecast, levels))
    if plot_file is not None:
        write_forecast_plot(screen, plot_file, loaded, prediction.forecast, levels)
    if plot or (plot is None and not wanted and screen.out.is_terminal):
        screen.result(draw_first_series(screen, loaded, prediction.forecast, levels))


def draw_first_series(
    screen: Screen, loaded: LoadedRun, forecast: "Forecast", levels: tuple[float, ...]
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
