"""The help of a command, with its options in panels."""

from typing import Any

from typer.core import TyperCommand


class PanelledCommand(TyperCommand):
    """A command whose `--help` lists options by their `rich_help_panel`, as text that fits 80 columns."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a panel of arguments, then the panels of options in the order of their first options."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Options" if parameter.param_type_name == "option" else "Arguments"
                panels.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
        for title, records in panels.items():
            with formatter.section(title):
                formatter.write_dl(records)
