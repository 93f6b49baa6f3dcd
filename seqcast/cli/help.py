"""The words of a command: its help, with options in panels, and a picture to draw."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from typer.core import TyperCommand

PICTURES = {".png", ".svg", ".html", ".htm", ".pdf", ".jpg", ".jpeg", ".gif", ".webp", ".eps"}
"""Ends of names that are those of pictures, and never of tables."""


class PanelledCommand(TyperCommand):
    """A command whose `--help` lists options by their `rich_help_panel`, as text that fits 80 columns."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line: an argument as `DATA`, or as `[DATA]` if it may be left out."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; see `with_plot_file`."""
        takes_file = any(parameter.name == "plot_file" for parameter in self.params)
        words = with_plot_file(args) if takes_file else args
        parsed: list[str] = super().parse_args(ctx, words)
        return parsed

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a panel of arguments, one of options of this command alone, then those of shared options."""
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Options" if parameter.param_type_name == "option" else "Arguments"
                usual = "Output" if parameter.name == "help" else usual
                panels.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
        for title, records in panels.items():
            if not records:
                continue
            with formatter.section(title):
                formatter.write_dl(records)


def with_plot_file(words: Sequence[str]) -> list[str]:
    """The words with `--plot FILE` and `--plot=FILE` as an option of their own, so that `--plot` alone stays a flag.

    A word after `--plot` is a file to draw to if it is named like a picture; otherwise it is a table.
    """
    changed: list[str] = []
    for place, word in enumerate(words):
        if word == "--":
            return [*changed, *words[place:]]
        follower = words[place + 1] if place + 1 < len(words) else ""
        if word == "--plot" and PurePath(follower).suffix.lower() in PICTURES:
            changed.append("--plot-file")
        else:
            changed.append(word.replace("--plot=", "--plot-file=", 1) if word.startswith("--plot=") else word)
    return changed
