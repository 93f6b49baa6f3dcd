"""The help of a command, with its options in panels."""

from typing import Any

from typer.core import TyperCommand


class PanelledCommand(TyperCommand):
    """A command whose `--help` lists options by their `rich_help_panel`, as text that fits 80 columns."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line: an argument as `DATA`, or as `[DATA]` if it may be left out."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

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
