"""Find out which graphs lie in a version directory that has no manifest.

Pure: names of files in, names of graphs out. Opens nothing.

The names are those of Optimum (`optimum-cli export onnx`) and of the repositories made for transformers.js, which
keep the graphs in `onnx/`. Variants of another precision (`model_fp16.onnx` …) are left alone: whoever wants one
gives it the plain name.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from service.bundle import DEFAULT_GRAPH
from service.repository.errors import LoadError

ENCODER = "encoder_model.onnx"
MERGED = "decoder_model_merged.onnx"
FIRST = "decoder_model.onnx"
NEXT = "decoder_with_past_model.onnx"
FOLDERS = ("", "onnx/")
GRAPHS = frozenset(folder + graph for folder in FOLDERS for graph in (DEFAULT_GRAPH, MERGED, FIRST, NEXT))
"""A directory that holds one of these is a version without a manifest."""
ENCODERS = frozenset(folder + ENCODER for folder in FOLDERS)


@dataclass(frozen=True, slots=True)
class Layout:
    """The graphs of a version: `step` continues sequences; with an encoder, `first` makes its cross-attention caches."""

    step: str
    encoder: str | None = None
    first: str | None = None


def find(files: Collection[str]) -> Layout:
    """Return the graphs among `files`, relative names; raises LoadError for what misses a part."""
    folder = next((each for each in FOLDERS if any(each + name in files for name in _NAMES)), "")
    there = {name for name in _NAMES if folder + name in files}
    if ENCODER in there:
        return _pair(folder, there)
    for name in (DEFAULT_GRAPH, MERGED, NEXT):
        if name in there:
            return Layout(folder + name)
    raise LoadError(f"'{FIRST}' alone cannot continue a sequence: export it with past (task …-with-past)")


_NAMES = (DEFAULT_GRAPH, MERGED, FIRST, NEXT, ENCODER)


def _pair(folder: str, there: Collection[str]) -> Layout:
    if MERGED in there:
        return Layout(folder + MERGED, folder + ENCODER, folder + MERGED)
    if FIRST in there and NEXT in there:
        return Layout(folder + NEXT, folder + ENCODER, folder + FIRST)
    if DEFAULT_GRAPH in there:
        return Layout(folder + DEFAULT_GRAPH)
    missing = NEXT if FIRST in there else FIRST
    raise LoadError(f"'{ENCODER}' needs '{MERGED}', or '{FIRST}' and '{NEXT}'; '{missing}' is missing")
