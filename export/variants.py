"""Make variants of a graph in smaller numbers, measure each beside it, and keep those that are worth it.

Knows ONNX Runtime's quantisation, and what worth it means: `judge` is the one place. Measured on the CPU; what a variant
does on a GPU is not known here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export import fidelity, graph
from export.drawing import Case, draw, free_axes
from export.errors import ConversionError, ExportError
from export.parity import Runner
from export.probe import probe
from export.recipe import Arrays
from export.speed import compare
from service.bundle import Signature, Task, Variant

SMALLEST_BYTES = 200_000
"""Of a smaller graph no variant is tried: there is nothing to save."""

MOST_SIZE, MOST_TIME = 0.6, 1.1
"""It is worth it if it is so much smaller and not slower than this,"""
FASTER = 0.9
"""or if it takes at most so much of the time; and in either case only if"""
LEAST_AGREEMENT, MOST_DIVERGENCE, MOST_DEVIATION = 0.95, 0.02, 0.05
"""it answers as its original does: see `service.bundle.Fidelity`."""

ROWS = (1, 32)
LONGEST = 12
LEEWAY = 2.0
"""How many times as far as here a golden request may be answered elsewhere: other kernels round otherwise."""

INT8_OPERATORS = ["Attention", "EmbedLayerNormalization", "Gather", "Gemm", "LSTM", "MatMul"]
"""Not Conv: with its 8-bit form the CNN of digits took 4.6 to 6.4 times as long."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a variant: it is offered, or `refused` says why not."""

    signature: str
    name: str
    variant: Variant | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Base:
    """The graph that variants are made from: `golden` is its request on disk, `example` has real inputs, if any."""

    name: str
    signature: Signature
    directory: Path
    golden: Path
    example: Arrays | None


def trials(base: Base, task: Task) -> Iterator[Trial]:
    """Make every kind of variant, and yield what became of each; the file of one that is refused is removed."""
    path = base.directory / base.signature.file
    if path.stat().st_size < SMALLEST_BYTES:
        return
    for name, make in MAKERS.items():
        target = path.with_suffix(f".{name}.onnx")
        try:
            _make(make, path, target)
            probe(target, base.golden)
            variant = _measured(base, target, task)
            refused = judge(variant)
        except ExportError as error:
            variant, refused = None, str(error)
        if refused:
            target.unlink(missing_ok=True)
        yield Trial(base.name, name, variant, refused)


def judge(variant: Variant) -> str:
    """Return why a variant is not worth it, nothing if it is."""
    like = variant.fidelity
    if not (
        like.agreement >= LEAST_AGREEMENT
        and like.divergence <= MOST_DIVERGENCE
        and like.deviation <= MOST_DEVIATION
    ):
        return "it answers otherwise than its original"
    if variant.latency_ratio <= FASTER:
        return ""
    if variant.latency_ratio > MOST_TIME:
        return "it is slower"
    return "" if variant.size_ratio <= MOST_SIZE else "it saves too little"


def _make(make: Callable[[Path, Path], None], path: Path, target: Path) -> None:
    logging.disable(logging.WARNING)  # advice for those who call the tools by hand
    try:
        make(path, target)
    except Exception as error:  # the tools raise whatever their handlers raise
        raise ConversionError(f"it cannot be made: {type(error).__name__}") from error
    finally:
        logging.disable(logging.NOTSET)


def _measured(base: Base, target: Path, task: Task) -> Variant:
    original = graph.runner(base.directory / base.signature.file)
    changed = graph.runner(target)
    like = fidelity.measure(base.signature, (original, changed), fidelity.decisive(task), base.example)
    size_bytes = target.stat().st_size
    return Variant(
        file=target.name,
        size_bytes=size_bytes,
        size_ratio=size_bytes / (base.directory / base.signature.file).stat().st_size,
        latency_ratio=_latency_ratio(base, original, changed),
        fidelity=like,
        tolerance=LEEWAY * like.max_relative,
    )


def _latency_ratio(base: Base, original: Runner, changed: Runner) -> float:
    inputs = base.signature.inputs
    sizes = dict.fromkeys(free_axes(inputs), LONGEST)
    feeds = (draw(inputs, Case(rows, sizes, seed=1, mixed=True), base.example).feeds for rows in ROWS)
    return max(compare(changed, original, each, budget_s=0.15).ratio for each in feeds)


def _int8(path: Path, target: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415  # the environment first

    quantize_dynamic(
        path,
        target,
        op_types_to_quantize=INT8_OPERATORS,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": 1},  # float, where it cannot tell: it would refuse
    )


def _fp16(path: Path, target: Path) -> None:
    # onnxconverter-common's function of this name makes graphs whose types clash where an output is also used inside.
    from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: PLC0415

    model: Any = convert_float_to_float16(graph.read(path), keep_io_types=True)
    graph.write(model, target)


MAKERS: dict[str, Callable[[Path, Path], None]] = {"int8": _int8, "fp16": _fp16}
