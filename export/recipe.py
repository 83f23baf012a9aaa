"""What a word's exporter says of a trained model: its signatures, its task and the files it needs.

Knows nothing of how ONNX is made, compared or written to disk.

An exporter is a function `describe(source: Source) -> Recipe`, entered in `export/exporters.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from service.bundle import Batching, Provenance, Task, Tensor
from training.job import Expectation

if TYPE_CHECKING:
    import onnx

Arrays = Mapping[str, NDArray[Any]]
"""Named tensors."""


@dataclass(frozen=True, slots=True)
class Source:
    """A finished run as an exporter sees it.

    `model` is the restored Keras model with its best weights. `assets` is the directory in which the job left
    labels, vocabularies and `examples.npz`; `settings` are the job's settings as written in the run. `sizes` counts the
    examples in each part of the data; `expected` is what the metrics should reach, on the job's own data.
    """

    directory: Path
    job: str
    word: str
    model: Any
    assets: Path
    settings: Mapping[str, Any]
    metrics: Mapping[str, float]
    provenance: Provenance
    sizes: Mapping[str, int] = field(default_factory=dict)
    expected: Sequence[Expectation] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One signature to be exported.

    `function` is a `tf.function` with an `input_signature` of named `TensorSpec`s; it calls the model with
    `training=False` and returns a dict of tensors. Its variables are found by themselves. `inputs` and
    `outputs` describe the same tensors for the manifest: axis 0 is called `batch`, other free axes have a name
    of their own, and what `kind` they are decides how the parity gate draws them.

    `graph` makes the ONNX model by hand, with inputs and outputs of the same names; without it, tf2onnx
    converts the reloaded signature. `example` are inputs for the golden request, taken from real data;
    without it, the request is drawn. Convex mixes of its rows also serve the parity gate as realistic values.
    """

    name: str
    function: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    graph: Callable[[], onnx.ModelProto] | None = None
    example: Arrays | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model version before it is written: the first of `endpoints` is the default signature.

    `assets` maps the name of a file in the bundle's `assets.extra/` to the file to be copied there. A file
    named in `task` (as in `Tokenizer.file`) is relative to the version directory: `assets.extra/<name>`.
    """

    task: Task
    endpoints: tuple[Endpoint, ...]
    assets: Mapping[str, Path] = field(default_factory=dict)
    batching: Batching = field(default_factory=Batching)
