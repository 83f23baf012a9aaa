"""The table of jobs: name to module, without importing any of them.

Knows nothing of what a job does. TensorFlow is imported with the first job that is found.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from training import quiet
from training.errors import UnknownJob
from training.job import Job, Word


@dataclass(frozen=True, slots=True)
class Entry:
    """A job that can be started by name; `module` has it as `JOB`."""

    word: Word
    module: str
    about: str


JOBS: dict[str, Entry] = {
    "digits-cnn": Entry("classify", "training.classify.digits_cnn", "which digit a 28x28 picture shows"),
    "digits-scratch": Entry("classify", "training.classify.digits_scratch", "the same, in NumPy alone"),
    "objects-cnn": Entry("classify", "training.classify.objects_cnn", "what a picture in colour shows"),
    "objects-resnet": Entry(
        "classify", "training.classify.objects_resnet", "the same from few pictures, by transfer"
    ),
    "images-metadata": Entry(
        "classify", "training.classify.images_metadata", "what to do with an item: a picture and numbers"
    ),
    "wine-ensemble": Entry(
        "classify", "training.classify.wine_ensemble", "whose wine it is, by several networks"
    ),
    "tumours-focal": Entry(
        "classify", "training.classify.tumours_focal", "malignant or not, where that is rare"
    ),
    "reviews-bilstm": Entry("classify", "training.classify.reviews_bilstm", "for or against, a whole review"),
    "reviews-attention": Entry(
        "classify", "training.classify.reviews_attention", "the same, and which words counted"
    ),
    "prose-lstm": Entry("generate", "training.generate.prose_lstm", "English prose, letter by letter"),
    "chat-gru": Entry("generate", "training.generate.chat_gru", "a reply to a message or a conversation"),
    "english-french": Entry("translate", "training.translate.english_french", "English sentences in French"),
    "tumour-autoencoder": Entry("score", "training.score.tumour_autoencoder", "how unlike a benign tumour"),
    "waves-lstm": Entry("predict", "training.predict.waves_lstm", "what comes next in a series"),
    "prose-word2vec": Entry(
        "predict", "training.predict.prose_word2vec", "words as vectors, near means alike"
    ),
    "digits-autoencoder": Entry("predict", "training.predict.digits_autoencoder", "digits in 32 numbers"),
    "digits-vae": Entry("predict", "training.predict.digits_vae", "a space of digits to draw from"),
    "digits-siamese": Entry("predict", "training.predict.digits_siamese", "whether two digits are the same"),
    "digits-gan": Entry("predict", "training.predict.digits_gan", "digits from noise"),
}


def find(name: str) -> Job[Any, Any]:
    """Import the job called `name`; raises UnknownJob naming the known ones."""
    entry = JOBS.get(name)
    if entry is None:
        raise UnknownJob(f"there is no job '{name}'; there are {', '.join(JOBS)}")
    quiet.import_tensorflow()
    job = import_module(entry.module).JOB
    assert isinstance(job, Job), f"{entry.module}.JOB is not a Job"
    return job
