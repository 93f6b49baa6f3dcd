"""The `seqcast` command: its subcommands, and the one place where errors become exit codes."""

import atexit
import json
import os
import signal
import sys
import textwrap
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import cast

import typer

from seqcast.cli.console import not_first_process, width_of
from seqcast.cli.help import PanelledCommand
from seqcast.cli.libraries import set_environment
from seqcast.config import plain_words
from seqcast.errors import DivergedError, SeqcastError, StoppedError, UsageError

WrongCommandLine = cast(type[typer.BadParameter], typer.BadParameter.__mro__[1])
"""The parser's error about an option or a command, which Typer does not export under a name."""

COMMANDS = (
    *("train", "predict", "inspect", "backtest", "anomalies", "report", "export"),
    *("compare", "tune", "check", "demo", "doctor", "runs"),
)
"""Each is a function of its name, in a module of its name; `runs` has commands of its own."""


def command_line(words: Sequence[str] = ()) -> typer.Typer:
    """The command that the words begin with, or all: to import what no one asks for takes a sixth of a second."""
    line = typer.Typer(
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Forecast time series with an LSTM encoder-decoder and Luong attention, and see which lags were attended.",
    )
    line.callback(invoke_without_command=True)(root)
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        module = import_module(f"seqcast.cli.{name}")
        if name == "runs":
            line.add_typer(module.runs_app, name=name)
        else:
            line.command(cls=PanelledCommand)(getattr(module, name))
    return line


def root(
    context: typer.Context, *, version: bool = typer.Option(False, "--version", help="Print the version.")
) -> None:
    """Options before a subcommand."""
    if version:
        from seqcast import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(UsageError.exit_code)


def run() -> None:
    """Run `main` and end the process at once, whatever libraries still do.

    C++ libraries can abort the process while it exits and so change its exit code: in one of fifty runs on a busy
    machine, a thread of pyarrow was still starting.
    """
    code: object = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)


def main() -> None:
    """Run the command line; every failure ends here, as a message and an exit code."""
    set_environment()
    _replace_closed_streams()
    try:
        with _orderly_end():
            code = command_line(sys.argv[1:])(prog_name="seqcast", standalone_mode=False) or 0
            sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough
        _drop_stdout()
        code = 1
    except Exception as error:  # noqa: BLE001  # the last resort, so that no user meets a traceback
        if "--debug" in sys.argv:
            traceback.print_exc()
        code = _report(_as_expected(error))
    sys.exit(code)


def _as_expected(error: Exception) -> SeqcastError:
    """Turn any failure into one of ours."""
    if isinstance(error, SeqcastError):
        return error
    if isinstance(error, WrongCommandLine):
        wrong = plain_words(str(error.format_message())).rstrip(".")
        place = "seqcast" if error.ctx is None else error.ctx.command_path
        return UsageError(f"{wrong}.", hint=f"`{place} -h` shows the usage.")
    # torch has an exception of its own for the memory of a GPU alone
    no_memory = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    if no_memory or isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return SeqcastError("out of memory.", hint="Give a smaller --batch-size or --context, or less data.")
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return SeqcastError(f"{where}cannot be read or written: {error.strerror}.")
    fault = f"internal error: {type(error).__name__}: {error}."
    return SeqcastError(fault, hint="Run again with --debug to see where, and please report it.")


def _report(error: SeqcastError) -> int:
    """Print an error for a person, and for a program when it asked for JSON."""
    from seqcast.report.text import plain

    message = plain(str(error), 4000)
    _tell_torchrun(message)
    beside = sys.argv[1:2] == ["train"] and not_first_process()
    if beside and isinstance(error, DivergedError | StoppedError):  # every process ends like this; the first says so
        return error.exit_code
    try:
        if "--json" in sys.argv and not beside:
            sys.stdout.write(json.dumps(error.as_dict()) + "\n")
        sys.stdout.flush()
    except OSError:
        _drop_stdout()
    message = f"process {os.environ['RANK']}: {message}" if beside else message
    lines = [f"error: {message}"]
    if sys.stderr.isatty():  # elsewhere an error is one line, for a program to find
        width = width_of(sys.stderr)
        lines = textwrap.wrap(message, width, initial_indent="error: ", break_long_words=False, break_on_hyphens=False)
    sys.stderr.write("\n".join(lines) + "\n")
    return error.exit_code


def _tell_torchrun(message: str) -> None:
    """Leave an error in the file where `torchrun` looks for it, so that its last lines show it.

    A non-zero exit code makes `torchrun` print a traceback of its own whatever happens here. The form of the file is
    that of torch.distributed.elastic, whose import would take seconds.
    """
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if file:
        told = {"message": message, "extraInfo": {"timestamp": str(int(time.time()))}}
        with suppress(OSError):
            Path(file).write_text(json.dumps({"message": told}), encoding="utf-8")


def _drop_stdout() -> None:
    """Discard what stdout did not take, so that nothing fails again at shutdown."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _replace_closed_streams() -> None:
    """Give a command that was started with a closed stream (`>&-`) one that discards its text."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # open to the end


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that no partial output file is left.

    Signals that the caller ignores (`nohup`) stay ignored.
    """

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    replaced = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)
