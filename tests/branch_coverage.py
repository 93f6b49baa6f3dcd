"""A plugin of pytest that measures branch coverage of `seqcast`: `python -m pytest -p tests.branch_coverage`.

SlipCover costs a few per cent of the time; the tracer of coverage.py costs half again on Python 3.11. pytest imports
the plugin before the tests, and so before `seqcast`, in every process of pytest-xdist.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from slipcover import FileMatcher, ImportManager, Slipcover, merge_coverage, print_coverage

LEAST_PER_CENT = 95
"""The share of lines and branches, counted together, that the tests must run."""
PACKAGE = str(Path(__file__).resolve().parents[1] / "seqcast")
OUTPUT = "branch_coverage"

assert "seqcast" not in sys.modules, "seqcast was imported before its coverage is measured"
MEASURED = Slipcover(branch=True, source=[PACKAGE])
"""Modules that no test imports count as not run."""
ImportManager(MEASURED, FileMatcher(sources=[PACKAGE])).__enter__()


class Total:
    """Adds up the coverage of all processes in the first one, and fails if it is too low."""

    def __init__(self) -> None:
        self.of_workers: list[dict[str, Any]] = []
        self.coverage: dict[str, Any] = {}

    @property
    def per_cent(self) -> float:
        return float(self.coverage["summary"]["percent_covered"])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        # A worker that crashed reports none, and its tests have failed.
        if OUTPUT in getattr(node, "workeroutput", {}):
            self.of_workers.append(json.loads(node.workeroutput[OUTPUT]))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.coverage, *others = self.of_workers or [MEASURED.get_coverage()]
        for coverage in others:
            merge_coverage(self.coverage, coverage)
        if self.per_cent < LEAST_PER_CENT and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("branch coverage")
        print_coverage(self.coverage, outfile=terminalreporter, skip_covered=True)
        terminalreporter.write_line(
            f"\nThe tests run {self.per_cent:.2f} % of lines and branches; {LEAST_PER_CENT} % are required."
        )


class Part:
    """Sends the coverage of a worker of pytest-xdist to the first process."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        session.config.workeroutput[OUTPUT] = json.dumps(MEASURED.get_coverage())  # type: ignore[attr-defined]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Part() if hasattr(config, "workerinput") else Total())
