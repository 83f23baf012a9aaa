"""Requests that work with the four models of `make serve`, for the API document.

Knows nothing but values; tests send each of them.
"""

from __future__ import annotations

from typing import Any

THREE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAARklEQVR42jXGMRGAIAAAwD/OHRpoE2hiBM8EVLCBFWxABCpoAozg5E+P"
    "bfQIta8jwxx7R/Ck5Y5AbO3fWQVqLiWZeA/X7gNUCQ+kWdtNDgAAAABJRU5ErkJggg=="
)
"""A handwritten 3, 8 by 8 pixels, as a PNG in base64."""

BENIGN = [
    13.54, 14.36, 87.46, 566.3, 0.09779, 0.08129, 0.06664, 0.04781, 0.1885, 0.05766,
    0.2699, 0.7886, 2.058, 23.56, 0.008462, 0.0146, 0.02387, 0.01315, 0.0198, 0.0023,
    15.11, 19.26, 99.7, 711.2, 0.144, 0.1773, 0.239, 0.1288, 0.2977, 0.07259,
]  # fmt: skip
"""The measurements of a benign tumour."""

CLASSIFY = {
    "an image": {"value": {"image": THREE, "top_k": 3}},
    "a model by name": {"value": {"model": "digits-cnn", "image": THREE}},
}
GENERATE = {
    "greedy": {"value": {"prompt": "The ", "max_tokens": 40, "temperature": 0}},
    "sampled": {
        "value": {
            "prompt": "The ",
            "max_tokens": 40,
            "temperature": 0.8,
            "top_k": 20,
            "seed": 7,
            "stop": "\n\n",
        }
    },
    "streamed": {"value": {"prompt": "The ", "max_tokens": 40, "temperature": 0, "stream": True}},
}
TRANSLATE = {
    "one text": {"value": {"text": "the cat sleeps"}},
    "several, with beams": {"value": {"texts": ["the cat sleeps", "the dog eats"], "beams": 4}},
}
SCORE = {
    "one row": {"value": {"rows": BENIGN}},
    "several rows": {"value": {"rows": [BENIGN, BENIGN], "top_features": 3}},
}
PREDICT: dict[str, Any] = {
    "named tensors": {"value": {"model": "tumour-autoencoder", "inputs": {"features": [BENIGN]}}}
}
