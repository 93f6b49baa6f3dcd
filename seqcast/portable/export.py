"""A trained model as an ONNX file, which forecasts without torch."""

import copy
import io
import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from seqcast import __version__
from seqcast.errors import SeqcastError, UsageError, option
from seqcast.extras import import_extra
from seqcast.portable.graph import ForecastGraph
from seqcast.portable.metadata import METADATA_KEY, ModelCard, dump_card
from seqcast.portable.onnx_file import ATTENTION, LARGEST_MODEL, QUANTILES, SILENT, input_forms, require_onnx_name
from seqcast.run.load import TrainedModel
from seqcast.run.record import RunRecord
from seqcast.storage import output_file

OPSET = 18
"""Version of the operators, which onnxruntime reads since 1.14 and the tracing exporter of torch writes since 2.1."""
EXAMPLE_WINDOWS = 2
BATCH = "windows"
"""Name of the axis whose length is free."""


def write_model(path: Path, model: TrainedModel, record: RunRecord, *, with_attention: bool = False) -> int:
    """Write an ONNX file, and return its size in bytes; arguments as `export_model`.

    Raises:
        UsageError: As `export_model`, or the name of the file is another one.
        SeqcastError: The file would be too large, or cannot be written.
    """
    require_onnx_name(path)
    data = export_model(model, record, with_attention=with_attention)
    with output_file(path) as file:
        file.write(data)
    return len(data)


def export_model(model: TrainedModel, record: RunRecord, *, with_attention: bool = False) -> bytes:
    """Return an ONNX file with the networks, the scalers and all that a forecast needs.

    Args:
        model: The trained model.
        record: Of its run.
        with_attention: Whether the attention weights are a second output.

    Raises:
        UsageError: The model has a part that ONNX cannot say, or no attention, or the library is not installed.
        SeqcastError: The file would be too large.
    """
    onnx = import_extra("onnx", "onnx", "`seqcast export`")
    _require_exportable(model, with_attention=with_attention)
    card = ModelCard(record, model.config, model.scalers, model.frequency)
    text = dump_card(card)
    model = replace(model, network=copy.deepcopy(model.network).cpu())
    graph = ForecastGraph(model, tuple(input_forms(card)), with_attention=with_attention).eval()
    proto = onnx.load_model_from_string(_optimised(_traced(graph, card)))
    _drop_unused_operators(proto)
    proto.producer_name, proto.producer_version = "seqcast", __version__
    onnx.helper.set_model_props(proto, {METADATA_KEY: text})
    if proto.ByteSize() > LARGEST_MODEL:
        raise SeqcastError(f"the networks are too large for one ONNX file ({proto.ByteSize():,} bytes).")
    data: bytes = proto.SerializeToString()
    return data


def _require_exportable(model: TrainedModel, *, with_attention: bool) -> None:
    if model.config.training.loss == "student-t":
        raise UsageError(
            f"a run trained with {option('loss', 'student-t')} cannot be exported: ONNX has no operator for the"
            " quantiles of a Student t.",
            hint=f"Train with {option('loss', 'quantile')}.",
        )
    if with_attention and not model.network.attends:
        raise UsageError(f"{option('attention')}: this run was trained without attention.", hint="Leave it out.")


def _traced(graph: ForecastGraph, card: ModelCard) -> bytes:
    """The graph as ONNX, with any number of windows.

    Tracing settles what is the same for every window: shares, number of steps, whether a mechanism is there. The
    example has missing steps, so that windows with and without them take the general way.
    """
    names, outputs = list(graph.names), [QUANTILES, ATTENTION] if graph.with_attention else [QUANTILES]
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracing, and of its age
        torch.onnx.export(
            graph,
            _example(card),
            buffer,
            input_names=names,
            output_names=outputs,
            dynamic_axes={name: {0: BATCH} for name in [*names, *outputs]},
            opset_version=OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


def _optimised(data: bytes) -> bytes:
    """The graph with its constants folded, so that a forecast need not do it: opening takes less than half the time."""
    runtime = import_extra("onnxruntime", "onnx", "`seqcast export`")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC  # operators of ONNX alone
    options.log_severity_level = SILENT
    with TemporaryDirectory() as folder:
        file = Path(folder) / "graph.onnx"
        options.optimized_model_filepath = str(file)
        runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return file.read_bytes()


def _drop_unused_operators(proto: Any) -> None:
    """Leave the operators of ONNX as the only ones that the file asks for; onnxruntime names all that it knows."""
    used = [each for each in proto.opset_import if each.domain == ""]
    del proto.opset_import[:]
    proto.opset_import.extend(used)


def _example(card: ModelCard) -> tuple[torch.Tensor, ...]:
    """Windows with a missing step each."""
    values: dict[str, np.ndarray[Any, Any]] = {
        name: np.ones((EXAMPLE_WINDOWS, *sizes), np.dtype(kind)) for name, (kind, sizes) in input_forms(card).items()
    }
    values["observed"][:, 0] = False
    return tuple(map(torch.from_numpy, values.values()))
