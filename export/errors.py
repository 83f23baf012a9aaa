"""Why an export was refused.

Knows nothing of command lines; the messages are for the person who exports.
"""

from __future__ import annotations


class ExportError(Exception):
    """Root of every refusal: the run, the model or the bundle is not as it must be. Nothing was published."""


class RunError(ExportError):
    """The run cannot be exported: not a run, not complete, or of a word that has no exporter."""


class RecipeError(ExportError):
    """What an exporter declares does not agree with the model, or is not complete."""


class ConversionError(ExportError):
    """A signature has no ONNX graph: the conversion failed or its result is not valid ONNX."""


class ProbeError(ExportError):
    """An ONNX file does not load and run in a process of its own, or took that process down."""


class ParityError(ExportError):
    """The SavedModel and the ONNX graph answer differently."""


class CompanyError(ExportError):
    """A row is answered otherwise in a batch with others than alone."""


class PublishError(ExportError):
    """The version cannot be put into the repository."""
