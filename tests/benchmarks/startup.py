"""Time to the first answer of `seqcast --help` and `seqcast runs`, beside that of `python -c "import torch"`.

    python tests/benchmarks/startup.py [--repeat 5]

The best of several runs of each, taken in turn. Prints one JSON document.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

SEQCAST = "from seqcast.cli.app import run; run()"
"""What the command of an installed seqcast does."""
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""That of a fresh interpreter: as after an installation, it finds every module compiled."""
COMMANDS = {"import torch": ["import torch"], "seqcast --help": [SEQCAST, "--help"], "seqcast runs": [SEQCAST, "runs"]}


def seconds_of(arguments: list[str], folder: str) -> float:
    """Time of one fresh interpreter."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, check=True)
    return time.perf_counter() - started


def measure(repeat: int) -> dict[str, dict[str, float]]:
    """Best seconds of each command, and their share of what importing torch takes."""
    with tempfile.TemporaryDirectory() as folder:
        rounds = [{name: seconds_of(words, folder) for name, words in COMMANDS.items()} for _ in range(repeat + 1)]
    best = {name: min(each[name] for each in rounds[1:]) for name in COMMANDS}
    return {
        name: {"seconds": round(best[name], 3), "over_import_torch": round(best[name] / best["import torch"], 3)}
        for name in COMMANDS
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    print(json.dumps(measure(parser.parse_args().repeat), indent=1))
