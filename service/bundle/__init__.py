"""The on-disk contract between export and the gateway: one model version in one directory.

Knows the names and shapes of what lies there, and nothing of sessions, requests or training.

A version directory holds `manifest.json`, `model.onnx` (the default signature), `<signature>.onnx` (the
others), the SavedModel for other servers, `assets.extra/` and `report/`. `Manifest` is the typed form of
`manifest.json`; `read` loads it and `verify_files` compares what lies on disk with what it promises.
"""

from service.bundle.examples import ExampleFeature, Examples
from service.bundle.examples import derived as derived_examples
from service.bundle.files import (
    ASSETS,
    DEFAULT_GRAPH,
    MANIFEST,
    REPORT,
    BundleError,
    File,
    describe_files,
    problem,
    sha256,
    verify_files,
)
from service.bundle.index import INDEX, LABELS, Index, read_labels, write_index
from service.bundle.manifest import (
    Batching,
    Golden,
    Manifest,
    Parity,
    Provenance,
    read,
)
from service.bundle.signatures import (
    BASE,
    DType,
    Fidelity,
    Kind,
    Signature,
    StateEntry,
    StepGraph,
    Tensor,
    Variant,
)
from service.bundle.tasks import (
    Classify,
    Encoder,
    FeatureInput,
    Generate,
    ImageInput,
    Predict,
    Score,
    Task,
    TextInput,
    Tokenizer,
    Translate,
)

__all__ = [
    "ASSETS",
    "BASE",
    "DEFAULT_GRAPH",
    "INDEX",
    "LABELS",
    "MANIFEST",
    "REPORT",
    "Batching",
    "BundleError",
    "Classify",
    "DType",
    "Encoder",
    "ExampleFeature",
    "Examples",
    "FeatureInput",
    "Fidelity",
    "File",
    "Generate",
    "Golden",
    "ImageInput",
    "Index",
    "Kind",
    "Manifest",
    "Parity",
    "Predict",
    "Provenance",
    "Score",
    "Signature",
    "StateEntry",
    "StepGraph",
    "Task",
    "Tensor",
    "TextInput",
    "Tokenizer",
    "Translate",
    "Variant",
    "derived_examples",
    "describe_files",
    "problem",
    "read",
    "read_labels",
    "sha256",
    "verify_files",
    "write_index",
]
