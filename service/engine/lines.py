"""See tensors as lines of equal width, say which lines are whose, and make the graph that copies lines.

Knows numbers and the bytes of an ONNX file. The runtime has no operation that writes into a part of a tensor on a device;
a graph of Gather and ScatterND whose output is bound to its input's own memory is one, for ScatterND may work in place.
"""

from __future__ import annotations

import numpy as np

from service.domain import Array

ELEMENTS = {1: "uint8", 2: "uint16", 4: "int32", 8: "int64"}
"""Bytes are copied as integers of their element's size, whatever they mean."""
_ONNX_TYPES = {1: 2, 2: 4, 4: 6, 8: 7}
_INT64 = _ONNX_TYPES[8]
_IR_VERSION = 8
_OPSET = 18


def numbers(rows: Array, starts: Array, counts: Array, outer: int, room: int) -> Array:
    """Return the lines of `counts` [n] places from `starts` [n] on, in each of the `outer` parts of `rows` [n].

    The tensor is [rows, outer, room, width]; its lines are counted from 0 in that order, as are those returned.
    """
    places = np.arange(counts.max(initial=0))
    lines = (rows[:, None, None] * outer + np.arange(outer)[None, :, None]) * room
    lines = lines + starts[:, None, None] + places
    own = np.broadcast_to(places < counts[:, None, None], lines.shape)
    chosen: Array = lines[own].astype(np.int64)
    return chosen


def copier(pairs: int, element_bytes: int) -> bytes:
    """Return an ONNX model: for each pair, `written.N` is `table.N` with lines `target` taken from `rows.N` at `source`.

    Tables and rows are [lines, width], `source` is [count], `target` is [count, 1].
    """
    element = _ONNX_TYPES[element_bytes]
    graph = _text(2, "lines")
    for pair in range(pairs):
        table, rows, chosen, written = (f"{kind}.{pair}" for kind in ("table", "rows", "chosen", "written"))
        graph += _bytes(1, _node("Gather", [rows, "source"], chosen))
        graph += _bytes(1, _node("ScatterND", [table, "target", chosen], written))
        width = f"width.{pair}"
        graph += _bytes(11, _value(table, element, [f"lines.{pair}", width]))
        graph += _bytes(11, _value(rows, element, [f"others.{pair}", width]))
        graph += _bytes(12, _value(written, element, [f"lines.{pair}", width]))
    graph += _bytes(11, _value("source", _INT64, ["count"]))
    graph += _bytes(11, _value("target", _INT64, ["count", 1]))
    return _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, _number(2, _OPSET))


def _node(kind: str, inputs: list[str], output: str) -> bytes:
    return b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, kind)


def _value(name: str, element: int, shape: list[str | int]) -> bytes:
    axes = b"".join(
        _bytes(1, _number(1, size) if isinstance(size, int) else _text(2, size)) for size in shape
    )
    tensor = _number(1, element) + _bytes(2, axes)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


# The two kinds of field that these messages have (protobuf.dev/programming-guides/encoding; the field numbers are those of
# onnx.proto). The gateway does without the onnx package.
def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
