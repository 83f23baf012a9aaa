"""Lines of tensors, and the graph that copies them."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from service.engine import lines


@settings(deadline=None)
@given(
    counts=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    outer=st.integers(1, 3),
    room=st.integers(5, 7),
    data=st.data(),
)
def test_the_lines_of_a_row_are_those_of_its_places_in_each_part(
    counts: list[int], outer: int, room: int, data: st.DataObject
) -> None:
    slots = data.draw(st.permutations(range(5)))[: len(counts)]
    starts = [data.draw(st.integers(0, room - count)) for count in counts]
    tensor = np.zeros((5, outer, room), int)
    for row, start, count in zip(slots, starts, counts, strict=True):
        tensor[row, :, start : start + count] = 1
    found = lines.numbers(np.array(slots), np.array(starts), np.array(counts), outer, room)
    assert sorted(found.tolist()) == np.flatnonzero(tensor).tolist()


def test_two_sides_with_the_same_counts_name_their_lines_in_the_same_order() -> None:
    counts = np.array([2, 1])
    source = lines.numbers(np.arange(2), np.array([0, 0]), counts, 2, 2)
    target = lines.numbers(np.array([3, 0]), np.array([4, 1]), counts, 2, 10)
    assert source.tolist() == [0, 1, 2, 3, 4, 6]
    assert target.tolist() == [64, 65, 74, 75, 1, 11]


def test_the_graph_is_what_onnx_itself_would_write() -> None:
    found = onnx.load_from_string(lines.copier(2, 4))
    onnx.checker.check_model(found, full_check=True)
    made, inputs, outputs = [], [], []
    for pair in range(2):
        table, rows, chosen, written = (f"{kind}.{pair}" for kind in ("table", "rows", "chosen", "written"))
        made += [
            helper.make_node("Gather", [rows, "source"], [chosen]),
            helper.make_node("ScatterND", [table, "target", chosen], [written]),
        ]
        own, others = [f"lines.{pair}", f"width.{pair}"], [f"others.{pair}", f"width.{pair}"]
        inputs += [
            helper.make_tensor_value_info(table, TensorProto.INT32, own),
            helper.make_tensor_value_info(rows, TensorProto.INT32, others),
        ]
        outputs.append(helper.make_tensor_value_info(written, TensorProto.INT32, own))
    inputs += [
        helper.make_tensor_value_info("source", TensorProto.INT64, ["count"]),
        helper.make_tensor_value_info("target", TensorProto.INT64, ["count", 1]),
    ]
    graph = helper.make_graph(made, "lines", inputs, outputs)
    wanted = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    wanted.opset_import[0].ClearField("domain")
    assert found == wanted


@pytest.mark.parametrize("element_bytes", list(lines.ELEMENTS))
def test_it_copies_elements_of_every_size(element_bytes: int) -> None:
    session = onnxruntime.InferenceSession(lines.copier(1, element_bytes), providers=["CPUExecutionProvider"])
    dtype = lines.ELEMENTS[element_bytes]
    table, rows = np.zeros((4, 3), dtype), np.arange(6).reshape(2, 3).astype(dtype)
    feeds = {
        "table.0": table,
        "rows.0": rows,
        "source": np.array([1, 0], np.int64),
        "target": np.array([[3], [0]], np.int64),
    }
    (written,) = session.run(None, feeds)
    assert written.tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 0], [3, 4, 5]]


@settings(deadline=None, max_examples=5)
@given(pairs=st.integers(1, 40))
def test_any_number_of_tensors_is_one_graph(pairs: int) -> None:
    onnx.checker.check_model(onnx.load_from_string(lines.copier(pairs, 2)), full_check=True)
