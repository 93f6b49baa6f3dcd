"""Renders reports as a terminal of a given width would show them."""

import io
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, RenderableType

ColorSystem = Literal["standard", "256", "truecolor"]


def shown(view: RenderableType, width: int = 80) -> str:
    """The text on something that is not a terminal; checks that it fits and contains no escape code."""
    file = io.StringIO()
    Console(file=file, width=width).print(view)
    text = file.getvalue()
    assert "\x1b" not in text
    assert max(cell_len(line) for line in text.splitlines()) <= width
    return text


def shown_in_colour(
    view: RenderableType, width: int = 80, system: ColorSystem | None = "truecolor", *, no_color: bool = False
) -> str:
    """The text and escape codes on a terminal with these colours."""
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=True, color_system=system, no_color=no_color).print(view)
    return file.getvalue()


def row_of(text: str, label: str) -> str:
    """The rest of the first line that begins with this label."""
    return next(line.removeprefix(label).strip() for line in text.splitlines() if line.startswith(f"{label}  "))


def words_of(text: str, *starts: str) -> list[str]:
    """The words of the first line that begins with these words."""
    return next(line.split() for line in text.splitlines() if line.split()[: len(starts)] == list(starts))
