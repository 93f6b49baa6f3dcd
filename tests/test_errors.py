import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import seqcast
from seqcast.cli.app import command_line
from seqcast.cli.runs import runs_app
from seqcast.config import Config
from seqcast.errors import DataError, Place, SeqcastError, UsageError, option, options_in

PACKAGE = Path(seqcast.__file__).parent
SHELL_ONLY = {PACKAGE / "errors.py", *(PACKAGE / "cli").rglob("*.py"), *(PACKAGE / "report").rglob("*.py")}
LIBRARY = [source for source in sorted(PACKAGE.rglob("*.py")) if source not in SHELL_ONLY]
FLAG = re.compile(r"(?<![\w-])--(?!nproc-per-node)[a-z]")  # torchrun's option is spelled in one way


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Every string of a module that is no docstring."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value


def options_named_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "option":
            if isinstance(node.args[0], ast.Name):  # of a setting
                continue
            yield ast.literal_eval(node.args[0])


@cache
def options_of_commands() -> frozenset[str]:
    registered = (*command_line().registered_commands, *runs_app.registered_commands)
    functions = [each.callback for each in registered if each.callback is not None]
    return frozenset(name for function in functions for name in inspect.signature(function).parameters)


def for_python(error: SeqcastError) -> str:
    error.for_python = True
    return str(error)


@pytest.mark.parametrize("source", LIBRARY, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_messages_of_the_library_name_options_by_the_function_that_spells_them(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    assert [text for text in texts_of(tree) if FLAG.search(text)] == []
    assert set(options_named_in(tree)) <= options_of_commands()


def test_a_setting_out_of_its_range_is_named_as_its_option() -> None:
    with pytest.raises(UsageError) as caught:
        Config().override(training={"max_steps": 0})
    assert str(caught.value) == "--max-steps 0: it should be greater than or equal to 1."
    assert for_python(caught.value) == "max_steps=0: it should be greater than or equal to 1."
    with pytest.raises(UsageError, match=r"^model\.depth2 1: Extra inputs are not permitted\.$"):
        Config().override(model={"depth2": 1})


def test_an_option_is_spelled_for_the_shell_or_for_python() -> None:
    error = UsageError(
        f"{option('freq', 'h')} is odd.", hint=f"Leave {option('freq')} out, or give {option('na_value')}."
    )
    assert str(error) == "--freq h is odd. Leave --freq out, or give --na-value."
    assert error.as_dict()["hint"] == "Leave --freq out, or give --na-value."
    assert for_python(error) == "freq=h is odd. Leave freq= out, or give na_value=."
    assert options_in(error.hint[0]) == {"freq", "na_value"}


@pytest.mark.parametrize("name", ["{freq}", "--freq", "%s", "\ufdd0freq\ufdd1", "freq="])
def test_text_of_the_data_is_never_taken_for_an_option(name: str) -> None:
    error = DataError(f"there is no column {name!r}.", place=Place("a.csv", 3, name), hint=f"Did you mean {name!r}?")
    told = f"a.csv, line 3, column {name!r}: there is no column {name!r}. Did you mean {name!r}?"
    assert str(error) == told
    assert for_python(error) == told
    assert options_in(error.message) == set()


def test_an_error_without_place_or_hint_is_its_message() -> None:
    assert str(DataError("no good.")) == "no good."
    assert DataError("no good.").as_dict()["hint"] is None
