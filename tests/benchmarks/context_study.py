"""Attention against none as the context grows: the longer-context story of Bahdanau et al. 2015 on hourly series.

    python tests/benchmarks/context_study.py ETTh1.csv m4_hourly.csv.gz --work /tmp/contexts
    python tests/benchmarks/context_study.py sample_data/planted_hourly.csv --max-steps 20 --contexts 24,48   # smoke

Prints one table of validation errors (over the seasonal naive's), a row per context. What is finished is not trained
again; the same validation part is scored at every context.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "from seqcast.cli.app import main; main()"]
HORIZON, VALIDATION = 48, 96
MECHANISMS = {"general": ("--attention", "global", "--score", "general"), "none": ("--attention", "none")}


def error_of(data: Path, context: int, mechanism: str, work: Path, options: list[str]) -> float:
    """Validation error of one training, relative to the seasonal naive."""
    sizes = ("--horizon", HORIZON, "--context", context, "--validation-size", VALIDATION)
    root = work / f"{data.name.split('.')[0]}-{context}-{mechanism}"
    words = ["compare", data, *sizes, *MECHANISMS[mechanism], *options, "--run", root, "--json", "--quiet"]
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    (row,) = json.loads(done.stdout)["variants"]
    if row["failure"]:
        raise SystemExit(row["failure"])
    return float(row["relative_mae"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--contexts", default="24,48,96,168,336")
    parser.add_argument("--max-steps", type=int, default=1000)
    parser.add_argument("--work", type=Path, default=Path("context_study"))
    parser.add_argument("--option", action="append", default=[], help="Passed on to every training, as --option=--x.")
    chosen = parser.parse_args()
    options = ["--max-steps", str(chosen.max_steps), *chosen.option]
    columns = [(data, mechanism) for data in chosen.data for mechanism in MECHANISMS]
    print("| context | " + " | ".join(f"{data.name.split('.')[0]}, {mechanism}" for data, mechanism in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for context in map(int, chosen.contexts.split(",")):
        errors = [error_of(data, context, mechanism, chosen.work, options) for data, mechanism in columns]
        print(f"| {context} | " + " | ".join(f"{error:.3f}" for error in errors) + " |", flush=True)


if __name__ == "__main__":
    main()
