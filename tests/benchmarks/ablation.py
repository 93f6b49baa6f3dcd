"""What attention, the copy gate, the lag bias and segments add to the error on held-out test parts, at equal time.

    python tests/benchmarks/ablation.py --data ../shared/data --time-limit 60s

Every variant trains for the same time on what is before the test part and scores that part once. Without the lag bias
training does not start from the linear forecast, so the network forecasts alone.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from accuracy import measure, table
from accuracy_works import Work, works

ROWS = ("nn5, rolling", "stallion, rolling", "epf_short, rolling", "etth1-ot, horizon 96")
MECHANISMS = {
    "no attention": ("--attention", "none"),
    "attention": ("--no-copy", "--no-lag-bias"),
    "attention, copy": ("--no-lag-bias",),
    "attention, copy, lag bias": (),
}
SEGMENTS = {"chosen": (), "1": ("--segment", "1")}


def measure_variants(work: Work, data: Path, seed: int, options: Sequence[str]) -> list[list[str]]:
    """One row of the table for each mechanism and segment."""
    rows = []
    for mechanism, mechanism_options in MECHANISMS.items():
        for segment, segment_options in SEGMENTS.items():
            words = [*mechanism_options, *segment_options, *options]
            numbers = measure(work, data, seed, words, statistical=False)
            error = numbers["mase"] if "mase" in numbers else numbers["mae"]
            rows.append([work.name, mechanism, segment, f"{error:.4f}", f"{numbers['network']:.0%}"])
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--time-limit", default="60s", help="of each training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", default=[], help="a row of accuracy_works.py; may be repeated")
    args = parser.parse_args()
    found = {work.name: work for work in works()}
    options = ("--time-limit", args.time_limit)
    rows = [row for name in args.only or ROWS for row in measure_variants(found[name], args.data, args.seed, options)]
    print(table("MASE, or MAE of etth1-ot", ["work", "mechanism", "segment", "error", "network"], rows))


if __name__ == "__main__":
    main()
