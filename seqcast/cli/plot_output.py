"""Pictures that `--plot FILE` writes: PNG and SVG, or an interactive page."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seqcast.cli.console import Screen
from seqcast.errors import UsageError
from seqcast.extras import import_extra
from seqcast.storage import output_file, require_place

if TYPE_CHECKING:
    from seqcast.attention.inspection import Inspection
    from seqcast.cli.loaded_run import LoadedRun
    from seqcast.cli.onnx_model import LoadedOnnx
    from seqcast.pages.blocks import Page
    from seqcast.results.forecast import Forecast
    from seqcast.run.load import TrainedModel

PlotFormat = Literal["png", "svg", "html"]
LIBRARIES: dict[PlotFormat, tuple[str, ...]] = {
    "png": ("matplotlib",),
    "svg": ("matplotlib",),
    "html": ("plotly", "jinja2"),
}
MOST_DRAWN, MOST_LISTED = 6, 60
"""Series in a still picture, and in the list of an interactive page."""


def plot_format(file: Path) -> PlotFormat:
    """The format that the name of a picture asks for, once what draws it is installed.

    Raises:
        UsageError: There is no such format, or a library is missing.
        SeqcastError: There is no place for the file.
    """
    name = file.suffix.lower().removeprefix(".")
    if name not in LIBRARIES:
        raise UsageError(f"--plot {file}: the name of a picture ends in .png, .svg or .html.")
    for library in LIBRARIES[name]:
        import_extra(library, "report", f"`--plot {file}`")
    require_place(file)
    return name


def write_forecast_plot(
    screen: Screen, file: Path, loaded: "LoadedRun | LoadedOnnx", forecast: "Forecast", levels: tuple[float, ...]
) -> None:
    """Write a picture of the first series with their forecasts."""
    from seqcast.pages.charts import Forecasts

    shown, panel = plot_format(file), loaded.source.panel
    forecasts = Forecasts(panel, loaded.model.season, levels, forecast)
    names = list(dict.fromkeys(forecast.series_ids))
    if shown == "html":
        from seqcast.pages.blocks import Page
        from seqcast.pages.forecasts import plain_forecast_section

        section = plain_forecast_section(forecasts, MOST_LISTED)
        _write_page(file, Page("Forecasts", str(loaded.source.table.name), (section,)))
    else:
        from seqcast.pages.images import draw_forecasts

        index = {name: number for number, name in enumerate(panel.series_ids)}
        charts = [forecasts.chart(index[name]) for name in names[:MOST_DRAWN]]
        with output_file(file) as target:
            screen.notices(draw_forecasts(charts, panel.frequency, target, shown))
    most = MOST_LISTED if shown == "html" else MOST_DRAWN
    screen.say(f"{min(most, len(names)):,} of {len(names):,} series drawn to {file}")


def write_attention_plot(
    screen: Screen, file: Path, table_name: str, model: "TrainedModel", found: "Inspection"
) -> None:
    """Write a picture of the attention by step and lag."""
    shown, report = plot_format(file), found.report
    if shown == "html":
        from seqcast.pages.attention import attention_section, contribution_section, season_section
        from seqcast.pages.blocks import Page

        sections = [attention_section(found, model, report.num_series), season_section(found)]
        if found.contributions is not None:
            sections.append(contribution_section(found.contributions))
        _write_page(file, Page("Attention", table_name, tuple(sections)))
    else:
        from seqcast.pages.images import draw_attention

        with output_file(file) as target:
            screen.notices(draw_attention(report, target, shown))
    screen.say(f"the attention of {report.num_windows:,} windows drawn to {file}")


def _write_page(file: Path, page: "Page") -> None:
    from seqcast.pages.page import render

    data = render(page)
    with output_file(file) as target:
        target.write(data)
