"""`seqcast compare`: train several attention mechanisms on one table and put them side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, get_args

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.config import Attention, Cell, Config, Decoding, Loss, Normaliser, Score
from seqcast.errors import UsageError

if TYPE_CHECKING:
    from seqcast.experiments.compare import Variant
    from seqcast.experiments.recorded_training import TrainedRun, TrainingJob
    from seqcast.run.directory import RunDirectory

Name = TypeVar("Name", bound=str)

SCORES = "dot,general,concat,location"


def compare(
    data: opt.Data,
    *,
    score: Annotated[str, typer.Option(help="Scores to compare, a,b,...")] = SCORES,
    attention: Annotated[str, typer.Option(help="Attentions to compare, a,b,...")] = "global",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each, with seeds --seed, --seed + 1, ...")] = 1,
    planted: Annotated[
        str | None, typer.Option(help="True lags of a made table, such as 24,37: are they found?")
    ] = None,
    target: opt.Target = None,
    time: opt.Time = None,
    id: opt.Id = None,  # noqa: A002  # the option is called --id
    freq: opt.Freq = None,
    known: opt.Known = None,
    past: opt.Past = None,
    static: opt.Static = None,
    static_file: opt.StaticFile = None,
    horizon: Annotated[int | None, typer.Option(help="Steps to forecast.")] = None,
    context: Annotated[int | None, typer.Option(help="Past steps to read.")] = None,
    validation_size: opt.ValidationSize = None,
    test_size: opt.TestSize = None,
    normaliser: Annotated[Normaliser | None, typer.Option(help="What turns scores into weights.")] = None,
    decoding: Annotated[Decoding | None, typer.Option(help="All steps at once, or one from the other.")] = None,
    input_feeding: Annotated[bool | None, typer.Option(help="Join the last attentional state.")] = None,
    cell: Annotated[Cell | None, typer.Option(help="Recurrent cell.")] = None,
    bidirectional: Annotated[bool | None, typer.Option(help="Read the context in both directions.")] = None,
    hidden: Annotated[int | None, typer.Option(help="Width of the recurrent state.")] = None,
    copy: Annotated[bool | None, typer.Option("--copy/--no-copy", help="Mix in attended values.")] = None,
    lag_bias: Annotated[bool | None, typer.Option(help="Add a learned step x lag term to the score.")] = None,
    loss: Annotated[Loss | None, typer.Option(help="What training makes small.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Most optimiser steps of each.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Windows per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = None,
    seed: Annotated[int | None, typer.Option(help="First seed.")] = None,
    run: Annotated[Path | None, typer.Option(help="Directory of all variants; default: runs/<data>-compare.")] = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Train each mechanism under the same budget and print one table; what is finished is not trained again."""
    given = {name: value for name, value in locals().items() if value is not None}
    screen = Screen(quiet=quiet)
    from seqcast.cli.train import given_sections, run_job
    from seqcast.experiments.compare import compare_variants, variants_of
    from seqcast.experiments.recorded_training import TrainingJob
    from seqcast.reading.table import ReadOptions
    from seqcast.report.variants import variant_table
    from seqcast.run.source import read_source, resolve_roles
    from seqcast.runtime import resolve_runtime
    from seqcast.training.plan import make_plan

    attentions: list[Attention] = [
        _one_of("attention", name, get_args(Attention)) for name in opt.names(attention) or ()
    ]
    scores: list[Score] = [_one_of("score", name, get_args(Score)) for name in opt.names(score) or ()]
    true_lags = _lags(planted)
    variants = variants_of(attentions, scores, seeds, seed or 0)
    base = Config().override(**given_sections({k: v for k, v in given.items() if k not in ("attention", "score")}))
    runtime = resolve_runtime(base.training.device, base.training.precision)
    source = read_source(data, base.data, ReadOptions(), None if static_file is None else str(static_file))
    screen.notices(source.notices)
    root = run or Path("runs") / f"{Path(data).name.split('.')[0]}-compare"

    def make_job(variant: Variant) -> TrainingJob:
        screen.say(f"{variant.name}: {root / variant.name}")
        return TrainingJob(source, make_plan(source.panel, resolve_roles(variant.config(base), source.panel)), runtime)

    def train(job: TrainingJob, directory: RunDirectory, resume: bool) -> TrainedRun:
        return run_job(screen, job, directory, resume=resume)

    rows = list(compare_variants(variants, make_job, root, train, true_lags))
    if json:
        screen.document({"run": str(root), "variants": [asdict(row) for row in rows]})
    else:
        screen.result(variant_table(rows))


def _lags(text: str | None) -> tuple[int, ...]:
    """`24,37` as (24, 37); none when not given.

    Raises:
        UsageError: A lag is no positive whole number, or is given twice.
    """
    words = opt.names(text) or ()
    if not all(word.isdecimal() and int(word) >= 1 for word in words) or len(set(map(int, words))) < len(words):
        raise UsageError(f"--planted {text!r}: lags are different positive whole numbers, such as 24,37.")
    return tuple(map(int, words))


def _one_of(option: str, name: str, allowed: tuple[Name, ...]) -> Name:
    """The name as one of the allowed ones.

    Raises:
        UsageError: It is none of them.
    """
    for each in allowed:
        if each == name:
            return each
    raise UsageError(f"--{option} {name!r} is not one of {', '.join(allowed)}.")
