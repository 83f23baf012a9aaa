"""A trained recurrent layer in a form whose ONNX is the fused operator, although rows have different lengths.

Knows Keras layers and tensors; knows nothing of models. tf2onnx makes a loop, ten times slower, of a layer that is given
a mask. Here the words of each row are moved to its beginning, the backward direction reads each row reversed within its
length, and no layer ever sees a mask: nothing that follows a row's last word can reach the answers that are kept. Of a
GRU tf2onnx makes a loop nevertheless: right, but slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Tensor = Any


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the words of rows [batch, time] stand, wherever their padding is.

    `order` [batch, time] has the places of a row's words and then those of its padding; `mask` [batch, time] is 1 for as
    many as there are words, `lengths` [batch] counts them.
    """

    order: Tensor
    mask: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, ids: Tensor, pad: int) -> Rows:
        """Look at ids [batch, time]; `pad` is no word."""
        import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

        size = tf.shape(ids)[1]
        valid = tf.not_equal(ids, pad)
        lengths = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1)
        # All different, so that the order hangs on no runtime's way with equal ones.
        place = tf.range(size) + tf.where(valid, 0, size)
        _, order = tf.math.top_k(-place, k=size, sorted=True)
        return cls(order, tf.sequence_mask(lengths, size, tf.float32), lengths)

    def first(self, values: Tensor) -> Tensor:
        """Return [batch, time, ...] with each row's words before its padding."""
        import tensorflow as tf  # noqa: PLC0415

        return tf.gather(values, self.order, axis=1, batch_dims=1)

    def back(self, values: Tensor) -> Tensor:
        """Return what `first` has ordered [batch, time] in its places again."""
        import tensorflow as tf  # noqa: PLC0415

        _, place = tf.math.top_k(-self.order, k=tf.shape(self.order)[1], sorted=True)
        return tf.gather(values, place, axis=1, batch_dims=1)


class PackedRecurrent:
    """Has the weights of an LSTM or a GRU, or of a `keras.layers.Bidirectional` of one, and its answers on masked input."""

    def __init__(self, layer: Any) -> None:
        self.sequences = bool(layer.return_sequences)
        both = hasattr(layer, "forward_layer")
        self.forward = _plain(layer.forward_layer if both else layer)
        self.backward = _plain(layer.backward_layer) if both else None

    def __call__(self, x: Tensor, rows: Rows) -> Tensor:
        """Return [batch, time, units], units of both directions, or the last of each direction [batch, units].

        `x` [batch, time, width] has its words first, as `rows.first` orders them.
        """
        import tensorflow as tf  # noqa: PLC0415

        valid = rows.mask[..., None]
        x = tf.identity(x)  # without the mask that Keras may have hung on it
        found = [self.forward(x)]
        if self.backward is not None:
            # The product does not change anything that is kept. Without it tf2onnx takes the two directions for one
            # bidirectional layer over full rows.
            found.append(self.backward(self._reversed(x, rows) * valid) * valid)
        if self.sequences:
            found[1:] = [self._reversed(each, rows) for each in found[1:]]
            return tf.concat(found, axis=-1) * valid
        last = tf.maximum(rows.lengths - 1, 0)
        return tf.concat([tf.gather(each, last, axis=1, batch_dims=1) for each in found], axis=-1)

    @staticmethod
    def _reversed(x: Tensor, rows: Rows) -> Tensor:
        import tensorflow as tf  # noqa: PLC0415

        return tf.reverse_sequence(x, rows.lengths, seq_axis=1, batch_axis=0)


def _plain(layer: Any) -> Any:
    """Return a layer with the weights of `layer` that reads forward and gives every step."""
    plain = type(layer)(layer.units, return_sequences=True, use_cudnn=False)
    plain.build((None, None, layer.cell.kernel.shape[0]))
    plain.set_weights(layer.get_weights())
    return plain
