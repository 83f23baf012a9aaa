"""The layers of a neural network in NumPy alone, forward and backward.

Pure functions of arrays: knows no framework, no network and no optimizer. Pictures are [batch, height, width,
channels]. A function that ends in `_gradients` or `_gradient` takes the gradient of the loss with respect to the
layer's output, `upstream`, and returns those with respect to its inputs, in their order (Rumelhart, Hinton and
Williams 1986; for convolutions Dumoulin and Visin 2016).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Padding = Literal["same", "valid"]
Edges = tuple[tuple[int, int], tuple[int, int]]
"""How many rows and columns are added before and after a picture: ((top, bottom), (left, right))."""


def dense(inputs: Floats, weights: Floats, bias: Floats) -> Floats:
    """Return inputs [batch, n] times weights [n, m] plus bias [m]."""
    return inputs @ weights + bias


def dense_gradients(inputs: Floats, weights: Floats, upstream: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the gradients of inputs, weights and bias; `upstream` is [batch, m]."""
    return upstream @ weights.T, inputs.T @ upstream, upstream.sum(axis=0)


def relu(inputs: Floats) -> Floats:
    """Return what is above 0, and 0 elsewhere."""
    return np.maximum(inputs, 0)


def relu_gradient(inputs: Floats, upstream: Floats) -> Floats:
    """Return the gradient of the inputs; at 0 itself it is 0."""
    gradient: Floats = upstream * (inputs > 0)
    return gradient


def softmax(logits: Floats) -> Floats:
    """Return probabilities along the last axis; the largest logit is taken off first, so nothing overflows."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def cross_entropy(logits: Floats, classes: NDArray[np.integer[Any]]) -> tuple[float, Floats]:
    """Return the mean of -log softmax(logits)[class] in nats, and its gradient with respect to the logits.

    `logits` is [batch, labels], `classes` [batch].
    """
    rows = np.arange(len(classes))
    shifted = logits - logits.max(axis=-1, keepdims=True)
    loss = np.log(np.exp(shifted).sum(axis=-1)) - shifted[rows, classes]
    gradient = softmax(logits)
    gradient[rows, classes] -= 1
    return float(loss.mean()), gradient / len(classes)


def dropout(inputs: Floats, rate: float, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the inputs with a share of `rate` set to 0 and the rest scaled by 1 / (1 - rate), and that scale.

    Inverted dropout (Srivastava et al. 2014): nothing is left to do when the network is used. The gradient of the
    inputs is `upstream` times the scale. `rate` is at least 0 and below 1.
    """
    kept = generator.random(inputs.shape) >= rate
    scale = kept.astype(inputs.dtype) / inputs.dtype.type(1 - rate)
    return inputs * scale, scale


def convolve(
    inputs: Floats, kernel: Floats, bias: Floats, *, stride: int = 1, padding: Padding = "valid"
) -> Floats:
    """Return the cross-correlation of pictures with kernel [height, width, channels, filters], plus bias.

    `same` pads with zeros as TensorFlow does: to ceil(size / stride) outputs, the odd one after the picture.
    """
    windows = _windows(_pad(inputs, _edges(inputs, kernel.shape[:2], stride, padding)), kernel.shape, stride)
    filtered: Floats = np.tensordot(windows, kernel, axes=((4, 5, 3), (0, 1, 2))) + bias
    return filtered


def convolve_gradients(
    inputs: Floats, kernel: Floats, upstream: Floats, *, stride: int = 1, padding: Padding = "valid"
) -> tuple[Floats, Floats, Floats]:
    """Return the gradients of inputs, kernel and bias; `upstream` is [batch, height, width, filters]."""
    edges = _edges(inputs, kernel.shape[:2], stride, padding)
    padded = _pad(inputs, edges)
    windows = _windows(padded, kernel.shape, stride)
    of_kernel = np.tensordot(windows, upstream, axes=((0, 1, 2), (0, 1, 2))).transpose(1, 2, 0, 3)
    of_padded = np.zeros_like(padded)
    for row, column in np.ndindex(*kernel.shape[:2]):
        # Every window's element at (row, column): a picture of its own within the padded one.
        part = _every(of_padded, row, column, upstream.shape[1:3], stride)
        part += upstream @ kernel[row, column].T
    return _unpad(of_padded, edges), of_kernel, upstream.sum(axis=(0, 1, 2))


def max_pool(inputs: Floats, *, size: int = 2, stride: int | None = None) -> Floats:
    """Return the largest value of each window of `size` by `size`; windows do not overlap by default."""
    largest: Floats = _windows(inputs, (size, size), stride or size).max(axis=(4, 5))
    return largest


def max_pool_gradient(
    inputs: Floats, upstream: Floats, *, size: int = 2, stride: int | None = None
) -> Floats:
    """Return the gradient of the inputs: each window's goes to the first of its largest values."""
    step = stride or size
    windows = _windows(inputs, (size, size), step)
    chosen = windows.reshape(*windows.shape[:4], size * size).argmax(axis=-1)
    gradient = np.zeros_like(inputs)
    for row, column in np.ndindex(size, size):
        part = _every(gradient, row, column, upstream.shape[1:3], step)
        part += upstream * (chosen == row * size + column)
    return gradient


def _edges(inputs: Floats, window: tuple[int, ...], stride: int, padding: Padding) -> Edges:
    if padding == "valid":
        return (0, 0), (0, 0)
    edges = []
    for size, width in zip(inputs.shape[1:3], window, strict=True):
        missing = max((-(-size // stride) - 1) * stride + width - size, 0)
        edges.append((missing // 2, missing - missing // 2))
    return edges[0], edges[1]


def _pad(inputs: Floats, edges: Edges) -> Floats:
    return np.pad(inputs, ((0, 0), *edges, (0, 0)))


def _unpad(padded: Floats, edges: Edges) -> Floats:
    (top, bottom), (left, right) = edges
    return padded[:, top : padded.shape[1] - bottom, left : padded.shape[2] - right]


def _windows(padded: Floats, window: tuple[int, ...], stride: int) -> Floats:
    """Return a view [batch, rows, columns, channels, window height, window width]."""
    views: Floats = sliding_window_view(padded, window[:2], axis=(1, 2))
    return views[:, ::stride, ::stride]


def _every(pictures: Floats, row: int, column: int, counts: tuple[int, ...], stride: int) -> Floats:
    """Return a view of every `stride`th pixel from (row, column) on, `counts` of them along each axis."""
    rows, columns = counts
    return pictures[
        :, row : row + (rows - 1) * stride + 1 : stride, column : column + (columns - 1) * stride + 1 : stride
    ]
