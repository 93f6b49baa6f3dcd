"""`seqcast doctor`: facts about the installation for a report of a fault."""

from dataclasses import asdict
from pathlib import Path

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.panel.notices import Notice


def doctor(*, json: opt.Json = False, debug: opt.Debug = False) -> None:
    """Show versions, device, extras and write access.

    Paste the output into a report of a fault.
    """
    from seqcast.installation import diagnose
    from seqcast.report.summary import key_value_table

    screen = Screen()
    diagnosis = diagnose(Path.cwd())
    if json:
        screen.document(asdict(diagnosis))
    else:
        screen.result(key_value_table("Installation", list(diagnosis.facts.items())))
    screen.notices([Notice("repair", problem) for problem in diagnosis.problems])
