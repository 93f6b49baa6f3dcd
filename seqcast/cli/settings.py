"""Options of commands built from the fields, types and docstrings of the configuration."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from functools import cache, wraps
from itertools import pairwise
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from seqcast.cli.options import names
from seqcast.config import Config
from seqcast.reading.options import ReadOptions

PANELS = {
    panel: tuple(names.split())
    for panel, names in {
        "Data": "target time id freq timezone utc round resample known past static static_file holidays horizon context"
        " validation_size test_size non_negative integer",
        "Reading": "layout delimiter decimal thousands encoding time_format time_unit na_value",
        "Network": "segment location cell hidden layers dropout bidirectional decoding repeat_context reverse_input",
        "Attention": "attention score additive_order normaliser lag_bias copy input_feeding",
        "Training": "loss max_steps time_limit batch_size learning_rate patience refit ensemble freeze precision"
        " device seed",
    }.items()
}
"""Options of each panel of `--help`; a setting that is not here can be given in a configuration file alone."""
TABLE_PANELS = ("Data", "Reading")
"""Panels with the options that say how a table is read."""
PLANNED = ("holidays", "horizon", "context", "validation_size", "test_size")
"""Options of these panels that plan a training."""

_FIELDS = {"copy": "copy_gate", "na_value": "na_values"}
"""Fields whose option has another name."""
_SECTIONS = {name: type(section) for name, section in Config()}


@dataclass(frozen=True)
class Settings:
    """Settings that a command line gives, for the configuration and for reading its table."""

    sections: dict[str, dict[str, Any]]
    """Given values of each section of the configuration."""
    reading: ReadOptions
    static_file: str | None

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Settings:
        """The settings that the values of options stand for; None means not given."""
        given = {_FIELDS.get(name, name): value for name, value in options.items() if value is not None}
        sections = {
            section: {name: _value(fields, name, given[name]) for name in fields.model_fields if name in given}
            for section, fields in _SECTIONS.items()
        }
        texts = {name: given[name] for name in ReadOptions.__annotations__ if name in given and name != "na_values"}
        reading = ReadOptions(**texts, na_values=tuple(given.get("na_values", ())))
        return cls(sections, reading, str(given["static_file"]) if "static_file" in given else None)

    def with_option(self, name: str, value: str) -> Settings:
        """The settings with one more option, or another value of it.

        Raises:
            ValueError: There is no such option.
        """
        if name not in {each for panel in PANELS.values() for each in panel}:
            raise ValueError(name)
        added = Settings.from_options({name: [value] if name == "na_value" else value})
        sections = {section: self.sections.get(section, {}) | values for section, values in added.sections.items()}
        changed = {
            each.name: getattr(added.reading, each.name) or getattr(self.reading, each.name)
            for each in fields(ReadOptions)
        }
        changed["na_values"] = (*self.reading.na_values, *added.reading.na_values)
        return Settings(sections, ReadOptions(**changed), added.static_file or self.static_file)

    def with_column(self, column: str, other: str) -> Settings:
        """The settings with another column in place of one, or without it if the other is empty."""

        def changed(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(other if name == column else name for name in value if other or name != column)
            return (other or None) if value == column else value

        data = {name: changed(value) for name, value in self.sections["data"].items()}
        return replace(self, sections=self.sections | {"data": data})

    def words(self) -> tuple[str, ...]:
        """The options as words of a command line, in the order of the panels."""
        given = {name: value for section in self.sections.values() for name, value in section.items()}
        given |= {each.name: getattr(self.reading, each.name) for each in fields(ReadOptions)}
        given |= {"static_file": self.static_file}
        words: list[str] = []
        for name in (each for panel in PANELS.values() for each in panel):
            value, option = given.get(_FIELDS.get(name, name)), f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                words.append(option if value else option.replace("--", "--no-", 1))
            elif isinstance(value, tuple) and name != "na_value":
                words += [option, ",".join(value)] if value else []
            elif value is not None:
                each_value = value if isinstance(value, tuple) else (value,)
                words += [word for each in each_value for word in (option, str(each))]
        return tuple(words)

    def override(self, base: Config) -> Config:
        """The configuration with the given settings in place of its own.

        Raises:
            UsageError: A value is outside its range, or holidays are asked for that no installed library knows.
        """
        config = base.override(**self.sections)
        if config.data.holidays:
            from seqcast.panel.holidays import require_regions

            require_regions(config.data.holidays)
        return config


def with_settings(*panels: str, omit: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each setting of some `PANELS`, in place of its parameter `settings`.

    Options to `omit` are those that the command lacks, or has with a meaning of its own.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [*inspect.signature(command, eval_str=True).parameters.values()]
        place = [parameter.name for parameter in own].index("settings")
        made = {name: _parameter(name, panel) for panel in panels for name in PANELS[panel] if name not in omit}

        @wraps(command)
        def run(*arguments: Any, **options: Any) -> None:
            settings = Settings.from_options({name: options.pop(name, None) for name in made})
            command(*arguments, settings=settings, **options)

        signature = inspect.Signature([*own[:place], *made.values(), *own[place + 1 :]])
        run.__signature__ = signature  # type: ignore[attr-defined]  # what Typer reads
        run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        return run

    return decorate


def _value(fields: type, name: str, given: Any) -> Any:
    """A given value as the configuration takes it: names separated by commas become a tuple."""
    return names(given) if get_origin(_types(fields)[name]) is tuple else given


def _parameter(name: str, panel: str) -> inspect.Parameter:
    """The parameter from which Typer makes the option of a setting."""
    kind, text = _type_and_help(name)
    metavar = "<str>" if kind == list[str] else None
    option = typer.Option(help=text, rich_help_panel=panel, metavar=metavar)
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type]  # the type of a field
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _type_and_help(name: str) -> tuple[Any, str]:
    if name == "static_file":
        return Path, "Table with one row per series: its id and static columns."
    field = _FIELDS.get(name, name)
    fields = next(each for each in (*_SECTIONS.values(), ReadOptions) if field in each.__annotations__)
    kind, default, text = _types(fields)[field], getattr(fields(), field), _docstrings(fields).get(field, "")
    if get_origin(kind) is tuple:
        return (list[str] if fields is ReadOptions else str), text
    if kind is bool and default is not None:
        default = "on" if default else "off"
    return kind, f"{text}  [default: {default}]" if default is not None else text


@cache
def _types(fields: type) -> dict[str, Any]:
    """The type of each field of a class, without None."""
    return {
        name: get_args(hint)[0] if NoneType in get_args(hint) else hint for name, hint in get_type_hints(fields).items()
    }


@cache
def _docstrings(fields: type) -> dict[str, str]:
    """The docstring below each field of a class; none where seqcast is installed without its sources."""
    definition = _definitions(fields.__module__).get(fields.__name__)
    return {
        ast.unparse(field.target): ast.literal_eval(below.value)
        for field, below in pairwise([] if definition is None else definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr)
    }


@cache
def _definitions(module: str) -> dict[str, ast.ClassDef]:
    """The classes in the source of a module; none without its source."""
    try:
        # The source of a single class would take longer: `inspect` splits it into tokens to find where it ends.
        body = ast.parse(inspect.getsource(sys.modules[module])).body
    except OSError:
        return {}
    return {each.name: each for each in body if isinstance(each, ast.ClassDef)}
