"""The table of exporters: which function describes the runs of a job.

Knows nothing of how they do it.
"""

from __future__ import annotations

from collections.abc import Callable

from export import (
    classify,
    digits,
    features,
    generate,
    items,
    reviews,
    score,
    scratch,
    series,
    translate,
    word2vec,
)
from export.errors import RunError
from export.recipe import Recipe, Source

Describe = Callable[[Source], Recipe]

WORDS: dict[str, Describe] = {
    "classify": classify.describe,
    "generate": generate.describe,
    "score": score.describe,
    "translate": translate.describe,
}
"""What describes the usual run of a word."""

JOBS: dict[str, Describe] = {
    "digits-scratch": scratch.describe,
    "images-metadata": items.describe,
    "wine-ensemble": features.describe_ensemble,
    "tumours-focal": features.describe_binary,
    "reviews-bilstm": reviews.describe,
    "reviews-attention": reviews.describe,
    "waves-lstm": series.describe,
    "prose-word2vec": word2vec.describe,
    "digits-autoencoder": digits.describe_autoencoder,
    "digits-vae": digits.describe_variational,
    "digits-siamese": digits.describe_siamese,
    "digits-gan": digits.describe_adversarial,
}
"""What describes the runs of a job that is not like the others of its word."""


def find(job: str, word: str) -> Describe:
    """Return the exporter of a job; raises RunError if there is none."""
    describe = JOBS.get(job) or WORDS.get(word)
    if describe is None:
        raise RunError(f"no exporter for the job '{job}', whose word is '{word}'")
    return describe
