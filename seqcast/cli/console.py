"""The two streams: results to stdout, everything else to stderr."""

import os
import re
import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, RenderableType

from seqcast.errors import SeqcastError
from seqcast.panel.notices import Notice

PIPED_WIDTH = 120
"""Width of a table that is not shown on a terminal, in characters."""
LONGEST_LINE = 4000
"""Most characters of a line of progress; the rest is cut."""


def width_of(stream: TextIO) -> int:
    """The width that COLUMNS sets, otherwise that of the terminal."""
    told = os.environ.get("COLUMNS", "")
    if re.fullmatch("[1-9][0-9]{0,3}", told):
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or PIPED_WIDTH
    except (OSError, ValueError):
        return PIPED_WIDTH


def not_first_process() -> bool:
    """Whether `torchrun` started this process beside a first one, which speaks for both."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1") and os.environ.get("RANK") not in (None, "", "0")


class Screen:
    """Writes what a command shows; `quiet` keeps results, warnings and errors, `silent` nothing."""

    def __init__(self, *, quiet: bool = False, silent: bool = False) -> None:
        for stream in (sys.stdout, sys.stderr):
            # A name that the terminal's encoding lacks must not end a forecast.
            getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
        self.quiet = quiet
        self.out, self.err = (
            Console(stderr=stream is sys.stderr, markup=False, highlight=False, emoji=False, width=width_of(stream))
            for stream in (sys.stdout, sys.stderr)
        )
        self.out.quiet = self.err.quiet = silent
        self.told = False
        """Whether something was told since the last result."""

    def result(self, renderable: RenderableType) -> None:
        """Print a result, on a terminal below an empty line if something stands before it."""
        if self.told and self.out.is_terminal and self.err.is_terminal:
            self.err.print()
        self.told = False
        self.out.print(renderable)

    def line(self, text: str) -> None:
        """Print a line of the result that is never broken, so that it can be copied."""
        from seqcast.report.text import plain

        self.out.print("\n".join(plain(line, LONGEST_LINE) for line in text.split("\n")), soft_wrap=True)

    def problems(self, problems: Sequence[SeqcastError]) -> None:
        """Print errors, a line each."""
        from seqcast.report.text import plain

        for problem in problems:
            self.err.print(f"error: {plain(str(problem), LONGEST_LINE)}", soft_wrap=not self.err.is_terminal)

    def document(self, value: object) -> None:
        """Write the one JSON document of a `--json` command."""
        from seqcast.report.text import json_text

        if not self.out.quiet:
            self.out.file.write(json_text(value) + "\n")

    def say(self, renderable: RenderableType) -> None:
        """Print progress to stderr unless quiet; file names in a text are made safe."""
        from seqcast.report.text import plain

        if isinstance(renderable, str):
            renderable = "\n".join(plain(line, LONGEST_LINE) for line in renderable.split("\n"))
        if not self.quiet:
            self._tell(renderable)

    def notices(self, notices: Sequence[Notice]) -> None:
        """Print decisions and warnings, a line each; only warnings when quiet."""
        from seqcast.report.summary import notice_lines

        shown = [notice for notice in notices if notice.kind == "repair" or not self.quiet]
        if shown:
            self._tell(notice_lines(shown))

    def _tell(self, renderable: RenderableType) -> None:
        self.told = True
        # In a log each message stays on its line, where grep finds it.
        self.err.print(renderable, soft_wrap=not self.err.is_terminal)
