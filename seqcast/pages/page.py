"""A page as one HTML file that loads nothing: its text, its charts, and Plotly to draw them."""

import base64
import hashlib
import json
from collections.abc import Callable
from importlib import resources
from pathlib import PurePath
from typing import Any

import plotly.offline
from jinja2 import Environment
from markupsafe import Markup

from seqcast import __version__
from seqcast.pages import attention, forecasts, scores, training
from seqcast.pages.blocks import Absent, Block, Chart, Page, Picker, Section, sentence
from seqcast.pages.findings import Findings
from seqcast.pages.palette import DARK, DARK_TINTS
from seqcast.report.text import plain


def report_page(found: Findings) -> Page:
    """All sections of a report."""
    run, done = found.run, found.backtest
    sections: list[Section] = [
        training.overview(found),
        forecasts.forecast_section(found),
        attention.attention_section(found.inspection, run.model, run.panel.num_series),
        *([] if isinstance(found.inspection, Absent) else [attention.season_section(found.inspection)]),
        attention.contribution_section(found.contributions),
        scores.backtest_section(done),
        scores.residual_section(found.residuals, None if isinstance(done, Absent) else done.scores),
        training.forecaster_section(run.model),
        training.training_section(run),
        training.run_section(run),
        training.notice_section(found.notices),
    ]
    data = run.record.data
    subtitle = f"{PurePath(data.path).name}, {data.first_time} to {data.last_time}"
    return Page(
        sentence(PurePath(run.path).name or run.path),
        sentence(subtitle),
        tuple(sections),
        f"Written by seqcast {__version__}.",
    )


def render(page: Page) -> bytes:
    """The bytes of the HTML file."""
    charts = [block for block in _blocks(page) if isinstance(block, Chart)]
    pickers = [block for block in _blocks(page) if isinstance(block, Picker)]
    assert len(pickers) <= 1, "the page has one list of series"
    entries = [entry for picker in pickers for entry in picker.entries]
    data = {
        "figures": [_plain_figure(chart.figure) for chart in charts],
        "series": [
            {"name": entry.name, "facts": entry.facts, "figure": _plain_figure(entry.figure)} for entry in entries
        ],
        "dark": DARK,
        "darkTints": DARK_TINTS,
    }
    places = {id(chart): place for place, chart in enumerate(charts)}
    scripts = {"plotly": plotly.offline.get_plotlyjs(), "script": _resource("page.js")}
    assert not any("</script" in text.lower() or "<!--" in text for text in scripts.values())
    html = (
        _environment()
        .from_string(_resource("page.html"))
        .render(
            page=page,
            data=data,
            place_of=_places(places),
            style=Markup(_resource("page.css")),
            script_hashes=" ".join(map(_hash, scripts.values())),
            **{name: Markup(text) for name, text in scripts.items()},
        )
    )
    return html.encode("utf-8")


def _environment() -> Environment:
    """Templates that escape every text for HTML, and write data as JSON that no script or tag can end."""
    environment = Environment(autoescape=True, trim_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {"plain": plain, "sentence": sentence}
    return environment


def _blocks(page: Page) -> list[Block]:
    return [block for section in page.sections for block in section.blocks]


def _places(places: dict[int, int]) -> Callable[[Chart], int]:
    return lambda chart: places[id(chart)]


def _plain_figure(figure: Any) -> Any:
    """The figure as JSON values; arrays of numbers stay packed."""
    return json.loads(figure.to_json())


def _hash(script: str) -> str:
    """What allows exactly this script to run (Content Security Policy)."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _resource(name: str) -> str:
    return resources.files("seqcast.pages").joinpath(name).read_text(encoding="utf-8")
