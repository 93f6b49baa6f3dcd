"""Renders what the report makes, as a terminal of a given width would show it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType


@pytest.fixture
def show() -> Callable[[RenderableType, int], str]:
    """The text of a renderable on something that is not a terminal; checks that it fits and holds no escape code."""

    def render(view: RenderableType, width: int = 80) -> str:
        console = Console(file=io.StringIO(), width=width)
        console.print(view)
        assert isinstance(console.file, io.StringIO)
        text = console.file.getvalue()
        assert "\x1b" not in text
        assert max(cell_len(line) for line in text.splitlines()) <= width
        return text

    return render


@pytest.fixture
def show_in_colour() -> Callable[[RenderableType, int], str]:
    """The text and the escape codes of a renderable on a terminal that shows all colours."""

    def render(view: RenderableType, width: int = 80) -> str:
        console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="truecolor")
        console.print(view)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    return render
