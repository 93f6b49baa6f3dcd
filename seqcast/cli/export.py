"""`seqcast export`: a run as an ONNX file."""

from pathlib import Path
from typing import Annotated

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen


def export(
    run: opt.RunName,
    output: Annotated[Path, typer.Argument(metavar="FILE", help="The ONNX file to write, such as model.onnx.")],
    attention: Annotated[
        bool, typer.Option("--attention", help="Let the graph give the attention weights, too.")
    ] = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Write a run as one ONNX file, which forecasts without torch.

    `seqcast predict --onnx FILE DATA` forecasts with it.
    """
    from seqcast.extras import import_extra
    from seqcast.portable.onnx_file import require_onnx_name
    from seqcast.run.directory import find_run
    from seqcast.storage import require_place

    require_onnx_name(output)
    for library in ("onnx", "onnxruntime"):
        import_extra(library, "onnx", "`seqcast export`")
    require_place(output)
    screen = Screen(quiet=quiet)
    directory = find_run(run)
    record = directory.read_record()
    import torch

    from seqcast.portable.export import write_model
    from seqcast.run.load import load_trained_model

    model = load_trained_model(directory, record, torch.device("cpu"))
    num_bytes = write_model(output, model, record, with_attention=attention)
    screen.say(f"{directory.path} exported to {output}: {num_bytes / 1e6:.1f} MB")
