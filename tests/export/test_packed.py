"""A recurrent layer for export answers as the trained one does, wherever the padding of a row stands."""

import numpy as np
import pytest

IDS = np.array(
    [[3, 1, 2, 4, 1, 2], [3, 1, 2, 0, 0, 0], [0, 0, 0, 3, 1, 2], [0, 3, 0, 1, 2, 0], [4, 0, 0, 0, 0, 0]], np.int32
)  # fmt: skip


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_it_answers_as_the_trained_layer_does(cell: str, both: bool, sequences: bool) -> None:
    from training.quiet import import_tensorflow

    import_tensorflow()
    import keras
    import tensorflow as tf

    from export.packed import PackedRecurrent, Rows

    keras.utils.set_random_seed(5)
    table = keras.layers.Embedding(5, 3, mask_zero=True)
    layer = getattr(keras.layers, cell)(4, return_sequences=sequences, use_cudnn=False)
    layer = keras.layers.Bidirectional(layer) if both else layer
    ids = tf.constant(IDS)
    expected = layer(table(ids)).numpy()
    rows = Rows.of(ids, 0)
    got = PackedRecurrent(layer)(table(rows.first(ids)), rows)
    if sequences:
        valid = IDS != 0
        got = rows.back(got).numpy()
        np.testing.assert_allclose(got[valid], expected[valid], atol=1e-6)
        assert not got[~valid].any()
    else:
        np.testing.assert_allclose(got, expected, atol=1e-6)
        np.testing.assert_allclose(got[1:4], np.repeat(got[1:2], 3, axis=0), atol=1e-6)


def test_rows_know_how_long_they_are_and_find_back() -> None:
    import tensorflow as tf

    from export.packed import Rows

    rows = Rows.of(tf.constant(IDS), 0)
    assert rows.lengths.numpy().tolist() == [6, 3, 3, 3, 1]
    assert rows.first(tf.constant(IDS)).numpy()[3].tolist() == [3, 1, 2, 0, 0, 0]
    np.testing.assert_array_equal(rows.back(rows.first(tf.constant(IDS))), IDS)
