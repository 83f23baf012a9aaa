"""Train epoch by epoch with a loop of the job's own, for the callbacks that `model.fit` would tell.

Knows the order in which callbacks are told, nothing of gradients. For jobs whose step is no Keras step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from training.errors import StrategyError
from training.job import Loop, Settings

Values = Mapping[str, float]


def train_epochs(
    model: Any,
    settings: Settings,
    loop: Loop,
    *,
    steps: int,
    train: Callable[[int], Iterable[Values]],
    validate: Callable[[], Values],
) -> None:
    """Train the epochs that `loop` leaves to be trained, until a callback says stop.

    `train(epoch)` makes the `steps` batches of an epoch and yields the values of each, `loss` among them; an epoch
    logs their means. `validate()` returns what an epoch logs besides, named `val_...`. `model` has what the callbacks
    use of a Keras model: `optimizer`, `stop_training`, `save_weights` and `load_weights`. Raises StrategyError where
    batches are to be shared: every replica would take all of them.
    """
    if tf.distribute.has_strategy():
        raise StrategyError(
            "this job trains by a loop of its own, which no strategy shares; leave --strategy out"
        )
    told = keras.callbacks.CallbackList(loop.callbacks, model=model, epochs=settings.epochs, steps=steps)
    model.stop_training = False
    told.on_train_begin()
    for epoch in range(loop.initial_epoch, settings.epochs):
        told.on_epoch_begin(epoch)
        sums: defaultdict[str, float] = defaultdict(float)
        batches = 0
        for batch, values in enumerate(train(epoch)):
            told.on_train_batch_begin(batch)
            told.on_train_batch_end(batch, dict(values))
            batches += 1
            for name, value in values.items():
                sums[name] += float(value)
        told.on_epoch_end(epoch, {name: total / batches for name, total in sums.items()} | dict(validate()))
        if model.stop_training:
            break
    told.on_train_end()
