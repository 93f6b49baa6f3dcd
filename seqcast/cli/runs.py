"""`seqcast runs`: list runs, and show one."""

from typing import TYPE_CHECKING

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.help import PanelledCommand
from seqcast.errors import RunError

if TYPE_CHECKING:
    from seqcast.run.directory import RunDirectory
    from seqcast.run.record import RunRecord

runs_app = typer.Typer(help="List runs, or show one with `runs show RUN`.", rich_markup_mode=None)


@runs_app.callback(invoke_without_command=True)
def runs(context: typer.Context, *, json: opt.Json = False, debug: opt.Debug = False) -> None:
    """List the runs under runs/, newest first."""
    if context.invoked_subcommand is not None:
        return
    from seqcast.report.runs import run_list
    from seqcast.run.directory import list_runs

    found = [(str(directory.path), record_or_none(directory)) for directory in list_runs()]
    screen = Screen()
    if json:
        screen.document([_brief(path, record) for path, record in found])
    elif found:
        screen.result(run_list(found))
    else:
        screen.say("there are no runs under runs/ yet; `seqcast train DATA` makes one")


@runs_app.command(cls=PanelledCommand)
def show(
    run: opt.RunName,
    *,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Show everything known about one run."""
    from seqcast.report.runs import run_detail
    from seqcast.run.directory import find_run

    directory = find_run(run)
    record = directory.read_record()
    screen = Screen()
    if json:
        screen.document(record.model_dump(mode="json"))
    else:
        screen.result(run_detail(str(directory.path), record))


def record_or_none(directory: "RunDirectory") -> "RunRecord | None":
    """The content of run.json; None where it cannot be read."""
    try:
        return directory.read_record()
    except RunError:
        return None


def _brief(path: str, record: "RunRecord | None") -> dict[str, object]:
    if record is None:
        return {"run": path, "status": "damaged"}
    kept = record.model_dump(mode="json", include={"status", "created", "frequency", "shape", "result"})
    return {"run": path, "data": record.data.path, **kept}


@runs_app.command(cls=PanelledCommand)
def verify(
    run: opt.RunName,
    *,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Check every file of a run; exit 4 when one is damaged or missing."""
    from dataclasses import asdict

    from seqcast.report.summary import list_table
    from seqcast.run.directory import find_run
    from seqcast.run.verification import verify_run

    directory = find_run(run)
    states = verify_run(directory)
    screen = Screen()
    if json:
        screen.document({"run": str(directory.path), "files": [asdict(state) for state in states]})
    else:
        rows = [(state.name, state.state, state.detail) for state in states]
        screen.result(list_table(str(directory.path), ("file", "state", "detail"), rows))
    if not all(state.is_good for state in states):
        raise typer.Exit(RunError.exit_code)
