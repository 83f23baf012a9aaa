"""A training loop of a job's own tells callbacks what `model.fit` would."""

from collections.abc import Iterator

import keras
import pytest

from training.epochs import train_epochs
from training.job import Loop, Settings


class Model:
    """What callbacks use of a model."""

    stop_training = False


class Listener(keras.callbacks.Callback):
    """Writes down what it is told, and stops after an epoch."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self.told: list[object] = []
        self._stop_after = stop_after

    def on_train_begin(self, logs: object = None) -> None:
        self.told.append("begin")

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.told.append(batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.told.append(("epoch", epoch, dict(logs or {})))
        self.model.stop_training = epoch == self._stop_after

    def on_train_end(self, logs: object = None) -> None:
        self.told.append("end")


def losses(epoch: int) -> Iterator[dict[str, float]]:
    yield {"loss": epoch + 1.0}
    yield {"loss": epoch + 3.0}


def run(listener: Listener, initial_epoch: int = 0) -> list[object]:
    loop = Loop([listener], initial_epoch)
    train_epochs(Model(), Settings(epochs=3), loop, steps=2, train=losses, validate=lambda: {"val_loss": 0.5})
    return listener.told


def test_an_epoch_logs_the_means_of_its_batches_and_what_validation_says() -> None:
    assert run(Listener())[:4] == ["begin", 0, 1, ("epoch", 0, {"loss": 2.0, "val_loss": 0.5})]


@pytest.mark.parametrize(
    ("initial", "stop_after", "epochs"), [(0, None, 3), (0, 1, 2), (2, None, 1), (3, None, 0)]
)
def test_epochs_go_from_the_first_that_is_left_until_a_callback_says_stop(
    initial: int, stop_after: int | None, epochs: int
) -> None:
    told = run(Listener(stop_after), initial)
    assert sum(isinstance(each, tuple) for each in told) == epochs
    assert told[-1] == "end"
