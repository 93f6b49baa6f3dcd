"""`seqcast compare`: train several attention mechanisms on one table and put them side by side."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, get_args

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.engine_choice import EngineChoice
from seqcast.cli.settings import PANELS, Settings, with_settings
from seqcast.cli.signals import stop_signals
from seqcast.config import Attention, Config, Score
from seqcast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from seqcast.experiments.compare import Variant, VariantResult, VariantTraining
    from seqcast.experiments.recorded_training import TrainedRun, TrainingJob
    from seqcast.run.directory import RunDirectory

Name = TypeVar("Name", bound=str)

Compared = partial(typer.Option, rich_help_panel="Comparison")
SCORES = "dot,general,concat,location"


@with_settings(*PANELS, omit=("attention", "score", "additive_order"))
def compare(
    data: opt.Data,
    *,
    score: Annotated[str, Compared(help="Scores, a,b,c.")] = SCORES,
    attention: Annotated[str, Compared(help="Kinds of attention, a,b,c.")] = "global",
    seeds: Annotated[
        int, Compared(min=1, metavar="<int>", help="Runs of each mechanism, with seeds --seed, --seed + 1, ...")
    ] = 1,
    planted: Annotated[str | None, Compared(help="True lags of a made-up table, such as 24,37, to look for.")] = None,
    settings: Settings,
    engine: opt.EngineName = "single",
    address: opt.Address = None,
    workers: opt.Workers = None,
    run: Annotated[
        Path | None, opt.OutputOption(help="Directory of all variants; runs/<data>-compare if not given.")
    ] = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Train attention mechanisms under one budget, side by side.

    They have no lag bias unless --lag-bias is given. Run the same command again to continue; finished variants are not
    trained again.
    """
    choice = EngineChoice.from_options(engine, address, workers)
    screen = Screen(quiet=quiet)
    from seqcast.experiments.compare import VariantTraining, compare_variants, variants_of
    from seqcast.experiments.recorded_training import TrainingJob
    from seqcast.report.variants import variant_table
    from seqcast.run.directory import name_of_data
    from seqcast.run.source import read_source, resolve_roles
    from seqcast.runtime import resolve_runtime
    from seqcast.training.plan import make_plan

    attentions: list[Attention] = [_one_of("attention", name, get_args(Attention)) for name in opt.names(attention)]
    scores: list[Score] = [_one_of("score", name, get_args(Score)) for name in opt.names(score)]
    true_lags = _lags(planted)
    # From the linear start every score attends the same lags, which would hide what a score itself finds.
    settings.sections["model"].setdefault("lag_bias", False)
    base = settings.override(Config())
    variants = variants_of(attentions, scores, seeds, base.training.seed)
    runtime = resolve_runtime(base.training.device, base.training.precision)
    source = read_source(data, base.data, settings.reading, settings.static_file)
    screen.notices(source.notices)
    root = run or Path("runs") / f"{name_of_data(data)}-compare"

    def make_job(variant: "Variant") -> "TrainingJob":
        return TrainingJob(source, make_plan(source.panel, resolve_roles(variant.config(base), source.panel)), runtime)

    if choice.name == "single":
        rows = list(compare_variants(variants, _shown_training(screen, make_job, root, true_lags)))
    else:
        training = VariantTraining(make_job, root, _train_quietly, true_lags)
        rows = _rows_of_workers(screen, choice, variants, training, runtime.device)
    if json:
        screen.document({"run": str(root), "variants": [asdict(row) for row in rows]})
    else:
        screen.result(variant_table(rows))


def _shown_training(
    screen: Screen, make_job: "Callable[[Variant], TrainingJob]", root: Path, planted: tuple[int, ...]
) -> "VariantTraining":
    """The training of variants in this process, with its progress on the screen."""
    from seqcast.cli.train import run_job
    from seqcast.experiments.compare import VariantTraining

    def tell_and_make(variant: "Variant") -> "TrainingJob":
        screen.say(f"{variant.name}: {root / variant.name}")
        return make_job(variant)

    def train(job: "TrainingJob", directory: "RunDirectory", resume: bool) -> "TrainedRun":
        return run_job(screen, job, directory, resume=resume)

    return VariantTraining(tell_and_make, root, train, planted)


def _train_quietly(job: "TrainingJob", directory: "RunDirectory", resume: bool) -> "TrainedRun":
    """Train in a worker, which stops when the command is asked to."""
    from seqcast.engines.worker import asked_to_stop
    from seqcast.experiments.recorded_training import train_in_directory
    from seqcast.training.loop import Hooks

    return train_in_directory(job, directory, Hooks(stop_signal=asked_to_stop), resume=resume)


def _rows_of_workers(
    screen: Screen,
    choice: EngineChoice,
    variants: "Sequence[Variant]",
    training: "VariantTraining",
    device: "torch.device",
) -> "list[VariantResult]":
    """The rows of variants that the workers of an engine train side by side."""
    from seqcast.experiments.compare import compare_variants

    rows = []
    with stop_signals() as stop_signal, choice.starting(device.type) as starting:
        engine = starting.engine(screen, device)
        for row in compare_variants(variants, training, engine, stop_signal):
            screen.say(
                f"{row.variant}: {training.root / row.variant}" + (f" failed: {row.failure}" if row.failure else "")
            )
            rows.append(row)
    return rows


def _lags(text: str | None) -> tuple[int, ...]:
    """`24,37` as (24, 37); none when not given.

    Raises:
        UsageError: A lag is no positive whole number, or is given twice.
    """
    words = opt.names(text)
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
