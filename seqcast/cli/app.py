"""The `seqcast` command: its subcommands, and the one place where errors become exit codes."""

from __future__ import annotations

import json
import os
import sys

import typer

from seqcast.cli.backtest import backtest
from seqcast.cli.check import check
from seqcast.cli.demo import demo
from seqcast.cli.inspect import inspect
from seqcast.cli.predict import predict
from seqcast.cli.runs import runs_app
from seqcast.cli.train import train
from seqcast.errors import SeqcastError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Forecast time series with an LSTM encoder-decoder and Luong attention, and see which lags were attended.",
)
for command in (train, predict, inspect, backtest, check, demo):
    app.command()(command)
app.add_typer(runs_app, name="runs")


@app.callback(invoke_without_command=True)
def root(*, version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """Options before a subcommand."""
    if version:
        from seqcast import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; every expected failure ends here with its exit code."""
    # Threads that spin while they wait make small networks 40 times slower where another program shares the cores.
    # Read when torch is imported, so it must be set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if "--debug" in sys.argv:
        app()
        return
    try:
        app()
    except SeqcastError as error:
        sys.exit(_report(error))
    except BrokenPipeError:
        sys.exit(_leave_closed_pipe())
    except (KeyboardInterrupt, EOFError):
        sys.exit(130)
    except MemoryError:
        sys.exit(
            _report(SeqcastError("out of memory.", hint="Give a smaller --batch-size or --context, or less data."))
        )
    except Exception as error:  # noqa: BLE001  # the last resort, so that no user meets a traceback
        fault = f"internal error: {type(error).__name__}: {error}."
        sys.exit(_report(SeqcastError(fault, hint="Run again with --debug to see where, and please report it.")))


def _report(error: SeqcastError) -> int:
    """Print an error for a person, and for a program when it asked for JSON."""
    from seqcast.report.text import plain

    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(error.as_dict()) + "\n")
    sys.stderr.write(f"error: {plain(str(error), 4000)}\n")
    return error.exit_code


def _leave_closed_pipe() -> int:
    """`| head` has read enough: end quietly, without a complaint at shutdown."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
