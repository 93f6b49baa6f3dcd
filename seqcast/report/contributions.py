"""`inspect --explain`: how much each input contributes to the forecast and to its accuracy."""

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Column

from seqcast.attention.contributions import Contribution, Contributions
from seqcast.report.summary import note_text, open_table, title_text
from seqcast.report.text import ACCENT, percent_text, safe_text

_BAR = 8
_TORN = 0.05
"""How far a part is below 0 or above 1 by more than rounding."""


def contribution_view(found: Contributions) -> RenderableType:
    """The inputs with a bar each, then their parts by group of forecast steps."""
    first = found.inputs[0]
    table = open_table(_name_column(), Column("", no_wrap=True), "forecast", "±", "alone", "accuracy", "±")
    for each in found.inputs:
        part = each.overall
        bar = Bar(1.0, 0, min(max(part.forecast, 0.0), 1.0), width=_BAR, color=ACCENT)
        numbers = (percent_text(part.forecast), percent_text(part.forecast_error), percent_text(part.alone))
        table.add_row(safe_text(each.name), bar, *numbers, *_accuracy(part))
    parts: list[RenderableType] = [title_text("Where the forecast comes from"), table]
    if len(first.by_horizon) > 1:
        by_step = open_table(_name_column(), *(group.label for group in first.by_horizon))
        for each in found.inputs:
            by_step.add_row(safe_text(each.name), *(percent_text(group.forecast) for group in each.by_horizon))
        parts += [title_text("The same by forecast step, part of the forecast"), by_step]
    return Group(*parts, note_text(contribution_note(found)))


def contribution_note(found: Contributions) -> str:
    """How the parts were measured and what they mean."""
    note = (
        f"Measured on {found.num_windows} past windows, by giving each input the value that it has at another origin."
        " forecast: part of the forecast's variation that it takes part in. alone: part that it decides without the"
        f" others; {percent_text(found.interactions)} is decided by several together. accuracy: part of the accuracy"
        " that is lost without it. ±: standard error over stretches of time. No lag shows what the level carries."
    )
    parts = [part for each in found.inputs for part in (each.overall.forecast, each.overall.alone)]
    if min(parts) < -_TORN or max(parts) > 1 + _TORN:
        note += (
            " Parts below 0 % or above 100 %: the inputs go together in the data, and one of them from another origin"
            " makes a window that is less likely than one with all of them."
        )
    return note


def _name_column() -> Column:
    """Names give way on a narrow terminal, so that no number is cut."""
    return Column("input", overflow="fold", max_width=40)


def _accuracy(part: Contribution) -> tuple[str, str]:
    if part.accuracy is None or part.accuracy_error is None:
        return "-", "-"
    return percent_text(part.accuracy), percent_text(part.accuracy_error)
