"""Commands in processes of their own, forked from one that has imported the libraries already."""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from seqcast.cli import app

FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["seqcast.experiments.recorded_training", "tests.running", "sklearn.preprocessing"])
MOST_SECONDS = 120


@dataclass(frozen=True)
class Command:
    """`seqcast` at work, and the files that hold what it prints."""

    process: BaseProcess
    stdout: Path
    stderr: Path

    @property
    def runs(self) -> bool:
        return self.process.is_alive()

    @property
    def out(self) -> str:
        return self.stdout.read_text()

    @property
    def err(self) -> str:
        return self.stderr.read_text()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the command has ended."""
        assert self.process.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def wait(self, seconds: float = MOST_SECONDS) -> int | None:
        """Wait for the end; the exit code, or None if the command still runs."""
        self.process.join(seconds)
        return self.process.exitcode

    def wait_for(self, path: Path) -> None:
        """Wait until the command has made a file."""
        limit = time.monotonic() + MOST_SECONDS
        while not path.exists():
            assert self.runs, self.err
            assert time.monotonic() < limit, f"{path} did not appear"
            time.sleep(0.01)


@contextmanager
def started(folder: Path, *words: object, environment: Mapping[str, str] = {}) -> Iterator[Command]:
    """Run `seqcast` in `folder` beside the test; it is killed at the end if it still runs."""
    streams = [Path(tempfile.mkstemp(name, dir=folder)[1]) for name in (".out", ".err")]
    process = FORKSERVER.Process(target=_run, args=(folder, [*map(str, words)], dict(environment), streams))
    process.start()
    try:
        yield Command(process, *streams)
    finally:
        process.kill()
        process.join()


def _run(folder: Path, words: list[str], environment: dict[str, str], streams: list[Path]) -> None:
    os.chdir(folder)
    os.environ.update(environment)
    for descriptor, path in enumerate(streams, start=1):
        os.dup2(os.open(path, os.O_WRONLY), descriptor)
    sys.argv = ["seqcast", *words]
    app.main()
