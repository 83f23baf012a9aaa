"""Describe the runs of the word `predict` that are about pictures of digits: each of their parts is a signature.

Knows the parts of these models by name, and nothing of how they were trained. Pictures are [batch, 28, 28, 1] in 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from export.examples import read_examples
from export.recipe import Arrays, Endpoint, Recipe, Source
from export.tracing import Named, trace
from service.bundle import Predict, Tensor

PICTURE = ("batch", 28, 28, 1)


def picture(name: str) -> Tensor:
    """Return the description of an input or output that is a picture."""
    return Tensor(name=name, dtype="float32", shape=PICTURE, range=(0.0, 1.0))


def numbers(name: str, width: int) -> Tensor:
    """Return the description of a row of numbers of any size."""
    return Tensor(name=name, dtype="float32", shape=("batch", width))


def describe_autoencoder(source: Source) -> Recipe:
    """Return `reconstruct`, `encode` and `decode` of an autoencoder."""
    model, encoder, decoder = _parts(source)
    width = int(encoder.output_shape[-1])
    image, code = picture("image"), numbers("code", width)
    example = read_examples(source, "image")
    codes = {"code": np.asarray(encoder(example["image"], training=False))}
    return Recipe(
        Predict(),
        (
            _endpoint("reconstruct", (image,), lambda given: {"reconstruction": model(given["image"], training=False)},
                      (picture("reconstruction"),), example),
            _endpoint("encode", (image,), lambda given: {"code": encoder(given["image"], training=False)},
                      (code,), example),
            _endpoint("decode", (code,), lambda given: {"image": decoder(given["code"], training=False)},
                      (image,), codes),
        ),
    )  # fmt: skip


def describe_variational(source: Source) -> Recipe:
    """Return `reconstruct` (from the mean), `encode` and `decode` of a variational autoencoder; none of them draws."""
    _, encoder, decoder = _parts(source)
    width = int(encoder.output_shape[0][-1])
    image, latent = picture("image"), numbers("latent", width)
    example = read_examples(source, "image")
    means = {"latent": np.asarray(encoder(example["image"], training=False)[0])}

    def encode(given: Named) -> Named:
        mean, log_variance = encoder(given["image"], training=False)
        return {"mean": mean, "log_variance": log_variance}

    def reconstruct(given: Named) -> Named:
        return {"reconstruction": decoder(encode(given)["mean"], training=False)}

    return Recipe(
        Predict(),
        (
            _endpoint("reconstruct", (image,), reconstruct, (picture("reconstruction"),), example),
            _endpoint("encode", (image,), encode, (numbers("mean", width), numbers("log_variance", width)), example),
            _endpoint("decode", (latent,), lambda given: {"image": decoder(given["latent"], training=False)},
                      (image,), means),
        ),
    )  # fmt: skip


def describe_siamese(source: Source) -> Recipe:
    """Return `pair`, the similarity of two pictures, and `embed`, what the encoder makes of one."""
    model = source.model
    encoder = model.get_layer("encoder")
    width = int(encoder.output_shape[-1])
    similarity = Tensor(name="similarity", dtype="float32", shape=("batch", 1), range=(0.0, 1.0))
    return Recipe(
        Predict(),
        (
            _endpoint("pair", (picture("first"), picture("second")),
                      lambda given: {"similarity": model(dict(given), training=False)},
                      (similarity,), read_examples(source, "first", "second")),
            _endpoint("embed", (picture("image"),),
                      lambda given: {"embedding": encoder(given["image"], training=False)},
                      (numbers("embedding", width),), read_examples(source, "image")),
        ),
    )  # fmt: skip


def describe_adversarial(source: Source) -> Recipe:
    """Return `generate`, noise to a picture, and `judge`, how real the discriminator finds one."""
    generator, judge = source.model.generator, source.model.discriminator
    width = int(generator.input_shape[-1])
    reality = Tensor(name="reality", dtype="float32", shape=("batch", 1), range=(0.0, 1.0))
    return Recipe(
        Predict(),
        (
            _endpoint("generate", (numbers("noise", width),),
                      lambda given: {"image": generator(given["noise"], training=False)},
                      (picture("image"),), read_examples(source, "noise")),
            _endpoint("judge", (picture("image"),), lambda given: {"reality": judge(given["image"], training=False)},
                      (reality,), read_examples(source, "image")),
        ),
    )  # fmt: skip


def _parts(source: Source) -> tuple[Any, Any, Any]:
    return source.model, source.model.get_layer("encoder"), source.model.get_layer("decoder")


def _endpoint(
    name: str,
    inputs: Sequence[Tensor],
    call: Callable[[Named], Named],
    outputs: Sequence[Tensor],
    example: Arrays,
) -> Endpoint:
    return Endpoint(name, trace(inputs, call), tuple(inputs), tuple(outputs), example=example)
