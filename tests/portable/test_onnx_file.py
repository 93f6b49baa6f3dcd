"""Files that are not what they should be: each is refused by name, before anything in it is run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from seqcast.errors import RunError
from seqcast.portable.export import OPSET, export_model
from seqcast.portable.metadata import METADATA_KEY
from seqcast.portable.onnx_file import OnnxModel
from seqcast.run.untrusted.onnx_parts import onnx_parts
from tests.forecasts import model_of
from tests.panels import full_panel
from tests.portable.exporting import FILE, record_of, with_settled_roles


@pytest.fixture(scope="module")
def good() -> bytes:
    model = with_settled_roles(model_of(full_panel()))
    return export_model(model, record_of(model))


def refusal(data: bytes) -> str:
    with pytest.raises(RunError, match=f"^{FILE}: ") as caught:
        OnnxModel.from_bytes(data, FILE)
    return str(caught.value)


def changed(good: bytes, change: Callable[[ModelProto], None]) -> bytes:
    proto = onnx.load_model_from_string(good)
    change(proto)
    return proto.SerializeToString()


def with_metadata(good: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    def apply(proto: ModelProto) -> None:
        values = json.loads(proto.metadata_props[0].value)
        change(values)
        proto.metadata_props[0].value = json.dumps(values)

    return changed(good, apply)


def test_the_good_file_is_read_with_its_scalers_bit_by_bit(good: bytes) -> None:
    model, expected = OnnxModel.from_bytes(good, FILE), model_of(full_panel())
    assert model.series_ids == expected.series_ids
    np.testing.assert_array_equal(model.scalers.target.mean, expected.scalers.target.mean)
    np.testing.assert_array_equal(model.scalers.known.numeric.scale, expected.scalers.known.numeric.scale)
    assert model.scalers.known.categories[0].tolist() == expected.scalers.known.categories[0].tolist()
    assert model.levels == (0.1, 0.5, 0.9)


def test_constants_are_folded_and_only_operators_of_onnx_are_asked_for(good: bytes) -> None:
    proto = onnx.load_model_from_string(good)
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", OPSET)]
    made = {"Constant", "ConstantOfShape", "Identity"}
    assert made.isdisjoint(node.op_type for node in proto.graph.node if not any(node.input))


def test_the_file_names_no_path_of_the_machine_it_was_made_on(good: bytes) -> None:
    assert b"/data/sales.csv" not in good
    assert str(Path(__file__).parents[2]).encode() not in good


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x00" * 99, b"\xff" * 99, b"PK\x03\x04"])
def test_a_file_of_another_kind_is_refused(data: bytes) -> None:
    message = refusal(data)
    assert "damaged" in message or "is no model that seqcast exported" in message


def test_a_refusal_says_what_is_wrong_and_what_to_do() -> None:
    told = refusal(b"ds,y\n2024-01-01,5\n")
    assert told.startswith(f"{FILE}: is not an ONNX file, or is damaged: ")
    assert told.endswith(". Write one with `seqcast export RUN model.onnx`.")


def test_a_file_that_ends_early_is_refused(good: bytes) -> None:
    for length in range(1, len(good), len(good) // 23):
        refusal(good[:length])


def test_a_model_of_somebody_else_is_refused() -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    data = helper.make_model(helper.make_graph([node], "other", values[:1], values[1:])).SerializeToString()
    assert "is no model that seqcast exported. Write one with `seqcast export RUN model.onnx`." in refusal(data)


def test_numbers_in_other_files_are_refused_wherever_they_stand(good: bytes) -> None:
    def in_initialiser(proto: ModelProto) -> None:
        _outside(proto.graph.initializer[0])

    def in_constant(proto: ModelProto) -> None:
        tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1])
        _outside(tensor)
        proto.graph.node.append(helper.make_node("Constant", [], ["far"], value=tensor))

    def in_branch(proto: ModelProto) -> None:
        tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1])
        _outside(tensor)
        inner = helper.make_graph([helper.make_node("Constant", [], ["far"], value=tensor)], "inner", [], [])
        proto.graph.node.append(helper.make_node("If", ["observed"], ["out"], then_branch=inner, else_branch=inner))

    for change in (in_initialiser, in_constant, in_branch):
        assert "refused: some of its numbers lie in other files" in refusal(changed(good, change))


@pytest.mark.parametrize("tag", [13 << 3 | 2, 14 << 3], ids=["other file", "location"])
def test_a_field_number_that_onnxruntime_would_cut_is_no_hiding_place(tag: int) -> None:
    def varint(number: int) -> bytes:
        return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)

    def within(field: int, data: bytes) -> bytes:
        return varint(field << 3 | 2) + varint(len(data)) + data

    def model(tag: int) -> bytes:
        return within(7, within(5, varint(tag) + (within(1, b"location")[1:] if tag & 7 == 2 else varint(1))))

    assert onnx_parts(model(tag)).needs_files
    with pytest.raises(ValueError, match="its bytes have another format"):
        onnx_parts(model(tag + 2**32))


def _outside(tensor: TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def test_operators_of_others_are_refused(good: bytes) -> None:
    def change(proto: ModelProto) -> None:
        proto.graph.node[0].domain = "com.evil"

    assert "refused: it uses operators that are not those of ONNX" in refusal(changed(good, change))


WRONG: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "version": (lambda values: values.update(format_version=2), "have the format 2, and this seqcast reads 1"),
    "no run": (lambda values: values.pop("run"), "no object 'run'"),
    "scalers": (lambda values: values["scalers"]["target"]["mean"].pop(), "not the scalers of 3 series"),
    "scale of zero": (lambda values: values["scalers"]["target"].update(scale=[0, 1, 1]), "greater than 0"),
    "categories": (lambda values: values["scalers"]["past"]["categories"][0].pop(), "categories do not fit"),
    "not finite": (lambda values: values["scalers"]["target"].update(mean=[float("nan")] * 3), "no number"),
    "setting": (lambda values: values["config"]["model"].update(hidden=-1), "hidden"),
    "horizon": (lambda values: values["config"]["model"].update(horizon=9), "contradicts"),
    "record": (lambda values: values["run"].update(frequency="h"), "checksum"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_metadata_that_cannot_be_are_refused(good: bytes, wrong: str) -> None:
    change, message = WRONG[wrong]
    assert message in refusal(with_metadata(good, change))


def test_a_graph_with_other_inputs_than_its_metadata_say_is_refused(good: bytes) -> None:
    def change(values: dict[str, Any]) -> None:
        values["run"].pop("checksum")
        values["run"]["shape"]["context"] = values["config"]["model"]["context"] = 13

    assert "inputs are not those of its metadata" in refusal(with_metadata(good, change))


def test_a_graph_that_cannot_be_run_is_refused(good: bytes) -> None:
    def change(proto: ModelProto) -> None:
        proto.graph.node[0].op_type = "NoSuchOperator"

    assert "onnxruntime cannot read it" in refusal(changed(good, change))


def test_deep_nesting_is_refused_without_recursion() -> None:
    data = b""
    for _ in range(2000):  # a graph in an attribute of a node of a graph
        for field in (6, 5, 1):
            data = bytes([field << 3 | 2]) + _varint(len(data)) + data
    with pytest.raises(ValueError, match="nested too deeply"):
        onnx_parts(b"\x3a" + _varint(len(data)) + data)


def _varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def test_lengths_written_in_more_bytes_than_needed_hide_nothing() -> None:
    tensor = b"\x6a\x8c\x80\x00\x0a\x08location\x12\x00"  # external_data, its length in three bytes
    tensor = tensor[:1] + bytes([(len(tensor) - 4) | 128, 128, 0]) + tensor[4:]
    graph = b"\x2a" + _varint(len(tensor)) + tensor
    assert onnx_parts(b"\x3a" + _varint(len(graph)) + graph).needs_files


def test_the_key_of_the_metadata_is_there_once(good: bytes) -> None:
    def change(proto: ModelProto) -> None:
        proto.metadata_props.add(key=METADATA_KEY, value="{}")

    assert "a key of its metadata twice" in refusal(changed(good, change))
