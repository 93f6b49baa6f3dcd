"""`seqcast demo`: train, predict and inspect on a bundled sample."""

from pathlib import Path
from typing import Annotated

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen

HORIZON = 24
CONTEXT = 64
STEPS = 300


def demo(
    *,
    run: Annotated[Path | None, typer.Option(help="Run directory; runs/planted_hourly-<n> if not given.")] = None,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Train, predict and inspect on a bundled sample.

    Its hourly series are made up and repeat after 24 and 37 hours; inspect finds those lags.
    """
    screen = Screen(quiet=quiet)
    from seqcast.cli.inspect import inspect
    from seqcast.cli.predict import predict
    from seqcast.cli.train import train
    from seqcast.run.directory import choose_directory
    from seqcast.samples import PLANTED, PLANTED_FUTURE, sample_path

    data, future = str(sample_path(PLANTED)), sample_path(PLANTED_FUTURE)
    directory = choose_directory(run, data, overwrite=False, resume=False)
    screen.say(f"$ seqcast train {PLANTED} --known promo --static region --horizon {HORIZON} --context {CONTEXT}")
    train(
        data,
        known="promo",
        static="region",
        horizon=HORIZON,
        context=CONTEXT,
        max_steps=STEPS,
        run=directory.path,
        quiet=quiet,
    )
    screen.say(f"\n$ seqcast predict --future {PLANTED_FUTURE}")
    predict(run=directory.path, future=future, plot=True, quiet=quiet)
    screen.say("\n$ seqcast inspect")
    inspect(run=directory.path, quiet=quiet)
