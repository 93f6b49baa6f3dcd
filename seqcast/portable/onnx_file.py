"""An exported model: a file that is checked before anything is built from it, and then run by onnxruntime.

No torch here. The file may come from a stranger: nothing in it names other files, brings operators of its own, or has
inputs other than those that its metadata promise.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from seqcast.config import Config
from seqcast.errors import Place, RunError, UsageError
from seqcast.extras import import_extra
from seqcast.panel.arrays import FloatArray
from seqcast.panel.schema import Schema
from seqcast.portable.metadata import METADATA_KEY, ModelCard, parse_card
from seqcast.portable.windows import Inputs
from seqcast.run.untrusted.onnx_parts import onnx_parts
from seqcast.storage import read_regular_file
from seqcast.tensors.scaling import PanelScalers

LARGEST_MODEL = 2**31 - 1
"""Largest file in bytes: protobuf, in which ONNX is written, allows no more."""
_EXPORT = "Write one with `seqcast export RUN model.onnx`."
QUANTILES, ATTENTION = "quantiles", "attention"
"""Names of the outputs."""
_KINDS = {"tensor(double)": "float64", "tensor(float)": "float32", "tensor(int64)": "int64", "tensor(bool)": "bool"}
_FAILURES = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
SILENT = 4
"""Errors become exceptions, so that they need not be printed, too."""


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """An exported model, ready to forecast."""

    card: ModelCard
    session: Any
    """onnxruntime.InferenceSession, which publishes no types."""
    file: str
    fingerprint: str
    """sha256 of the file."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an exported model.

        Raises:
            RunError: The file is absent, damaged, too large, of another format, or refused as unsafe.
            UsageError: A library is not installed.
        """
        import_extra("onnxruntime", "onnx", "an exported model")
        try:
            data = read_regular_file(path, LARGEST_MODEL)
        except RunError as error:
            raise RunError(error.message, place=error.place, hint=error.hint or _EXPORT) from None
        return cls.from_bytes(data, str(path))

    @classmethod
    def from_bytes(cls, data: bytes, file: str) -> Self:
        """The exported model in the bytes of `file`; raises as `read`."""
        runtime = import_extra("onnxruntime", "onnx", "an exported model")
        place = Place(file=file)
        card = _checked_card(data, place)
        options = runtime.SessionOptions()
        options.log_severity_level = SILENT
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the export did it
        # Threads that spin from the start double the processor time of opening, and slow down whatever else runs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except _failures():
            raise RunError("damaged: onnxruntime cannot read it.", place=place) from None
        _require_signature(session, card, place)
        return cls(card, session, file, hashlib.sha256(data).hexdigest())

    def __reduce__(self) -> tuple[object, ...]:
        """Let another process read the file again, as a session stays in its process."""
        return OnnxModel.read, (Path(self.file),)

    @property
    def config(self) -> Config:
        return self.card.config

    @property
    def series_ids(self) -> tuple[str, ...]:
        return self.card.record.series_ids

    @property
    def scalers(self) -> PanelScalers:
        return self.card.scalers

    @property
    def horizon(self) -> int:
        return self.card.record.shape.horizon

    @property
    def context(self) -> int:
        return self.card.record.shape.context

    @property
    def schema(self) -> Schema:
        return self.card.record.columns

    @property
    def season(self) -> int:
        return self.card.record.shape.season

    @property
    def levels(self) -> tuple[float, ...]:
        return self.card.levels

    def quantiles(self, inputs: Inputs) -> FloatArray:
        """(windows, horizon, Q) in the units of the data; Q = 1 for a point loss.

        Raises:
            RunError: The graph gives something else.
        """
        given = {each.name: inputs[each.name] for each in self.session.get_inputs()}
        try:
            found = self.session.run([QUANTILES], given)[0]
        except _failures():
            raise RunError("damaged: onnxruntime cannot run it.", place=Place(file=self.file)) from None
        if found.shape != (len(inputs["target"]), self.horizon, max(1, len(self.levels))):
            raise RunError("damaged: its forecasts have not the promised size.", place=Place(file=self.file))
        numbers: FloatArray = found
        return numbers


def _failures() -> tuple[type[Exception], ...]:
    """The exceptions of onnxruntime, which have no base of their own."""
    state = import_extra("onnxruntime.capi.onnxruntime_pybind11_state", "onnx", "an exported model")
    return tuple(getattr(state, name) for name in _FAILURES)


def _checked_card(data: bytes, place: Place) -> ModelCard:
    """The metadata of a file in which nothing is unsafe."""
    try:
        parts = onnx_parts(data)
    except ValueError as error:
        raise RunError(f"is not an ONNX file, or is damaged: {error}.", place=place, hint=_EXPORT) from None
    if parts.needs_files:
        raise RunError("refused: some of its numbers lie in other files, which are not read.", place=place)
    if parts.domains:
        raise RunError("refused: it uses operators that are not those of ONNX.", place=place)
    if METADATA_KEY not in parts.metadata:
        raise RunError("is no model that seqcast exported.", place=place, hint=_EXPORT)
    return parse_card(parts.metadata[METADATA_KEY], str(place.file))


def require_onnx_name(path: Path) -> None:
    """Check the name of a file to write.

    Raises:
        UsageError: It does not end in .onnx.
    """
    if path.suffix.lower() != ".onnx":
        raise UsageError(f"{path}: the name of an exported model ends in .onnx.")


def input_forms(card: ModelCard) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Kind and sizes (without that of the windows) of each input of the graph; a role without columns has none."""
    shape, scalers = card.record.shape, card.scalers
    span, num_known = shape.context + shape.horizon, len(scalers.known.numeric)
    forms: dict[str, tuple[str, tuple[int, ...]]] = {
        "target": ("float64", (shape.context,)),
        "observed": ("bool", (shape.context,)),
        "mean": ("float64", ()),
        "scale": ("float64", ()),
        "scale_known": ("bool", ()),
        "past": ("float64", (shape.context, shape.num_past)),
        "past_codes": ("int64", (shape.context, len(shape.past_categories))),
        "known": ("float64", (span, num_known)),
        "known_codes": ("int64", (span, len(shape.known_categories))),
        "calendar": ("float32", (span, shape.num_known - num_known)),
        "static": ("float64", (shape.num_static,)),
        "static_codes": ("int64", (len(shape.static_categories),)),
    }
    return {name: (kind, sizes) for name, (kind, sizes) in forms.items() if 0 not in sizes}


def _require_signature(session: Any, card: ModelCard, place: Place) -> None:
    """Check that the graph has the inputs and outputs that its metadata promise."""
    expected = input_forms(card)
    found = {each.name: (_KINDS.get(each.type, each.type), tuple(each.shape[1:])) for each in session.get_inputs()}
    outputs = {each.name: each.type for each in session.get_outputs()}
    if not found.keys() <= expected.keys() or any(found[name] != expected[name] for name in found):
        raise RunError("damaged: its inputs are not those of its metadata.", place=place)
    if outputs.get(QUANTILES) != "tensor(double)" or outputs.keys() - {QUANTILES, ATTENTION}:
        raise RunError("damaged: its outputs are not those of a forecast.", place=place)
