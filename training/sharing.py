"""Train one model on several devices or machines: every replica takes its part of each batch.

Knows TensorFlow's strategies and how Keras meets them, nothing of a job. On several machines every worker runs the same
program on the same data; the first, the chief, keeps the run, the others work on a copy of it that the chief hands
out, so nothing but the data must be within everyone's reach.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.cluster import Cluster
from training.errors import StrategyError, WorkerLost

LEFT_OUT = {"tensorboard", "plots", "epochs", "lock"}
"""What of a run a worker needs no copy of."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """A strategy, and the machines that it spans if they are several."""

    strategy: Any
    cluster: Cluster | None = None

    @property
    def replicas(self) -> int:
        """How many take part in each batch."""
        return int(self.strategy.num_replicas_in_sync)


def mirrored(devices: int | None) -> Sharing:
    """Share batches among the devices of this machine: its GPUs, or as many parts of its CPU as are asked for.

    Must come before TensorFlow has run anything; raises StrategyError if there are fewer GPUs than `devices`.
    """
    gpus = len(tf.config.list_physical_devices("GPU"))
    wanted = devices or max(gpus, 1)
    if gpus and wanted > gpus:
        raise StrategyError(f"{wanted} devices are asked for; there are {gpus}")
    if not gpus and wanted > 1:
        (cpu, *_) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * wanted
        try:
            tf.config.set_logical_device_configuration(cpu, parts)
        except RuntimeError as error:
            raise StrategyError("devices must be chosen before TensorFlow is used") from error
    names = [f"{'GPU' if gpus else 'CPU'}:{number}" for number in range(wanted)]
    return Sharing(tf.distribute.MirroredStrategy(names))


def among(cluster: Cluster) -> Sharing:
    """Share batches among the machines of a cluster; waits until all of them are there."""
    return Sharing(tf.distribute.MultiWorkerMirroredStrategy(), cluster)


@contextmanager
def taking_part(sharing: Sharing | None, model_of: Callable[[], Any]) -> Iterator[Any]:
    """Yield the model that `model_of` builds so that what the block trains is shared; alone without `sharing`.

    Raises WorkerLost if another machine goes away meanwhile.
    """
    if sharing is None:
        yield model_of()
        return
    with _noticing(sharing), sharing.strategy.scope():
        model = model_of()
        _refuse_own_steps(model)
        _weigh_losses(model, sharing.replicas)
        if sharing.cluster is not None:
            _replace_steps(model, sharing.strategy)
        yield model


@contextmanager
def _noticing(sharing: Sharing) -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError as error:
        gone = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
        if sharing.cluster is None or not isinstance(error, (*gone, tf.errors.DeadlineExceededError)):
            raise
        raise WorkerLost("another worker is gone; start all of them again with --resume") from error


def _refuse_own_steps(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise StrategyError("this job's model is not one of Keras; leave --strategy out")
    if type(model).train_step is not keras.Model.train_step:
        raise StrategyError(
            "this job's model has a step of its own, which no strategy shares; leave --strategy out"
        )


def _weigh_losses(model: Any, replicas: int) -> None:
    """Let losses of a job's own that are means already count as the part that a replica's rows are of all.

    Keras 3.15.1 does so for losses of each row alone; without it the gradients of replicas would add up to too much.
    """
    given = model.compile

    def weighed(loss: Any) -> Any:
        if not inspect.isfunction(loss):
            return loss

        @functools.wraps(loss)
        def part(truth: Any, answer: Any) -> Any:
            value = loss(truth, answer)
            return value / replicas if len(value.shape) == 0 else value

        return part

    def compile_weighed(optimizer: Any, loss: Any = None, **options: Any) -> None:
        given(optimizer, keras.tree.map_structure(weighed, loss), **options)

    model.compile = compile_weighed


def _replace_steps(model: Any, strategy: Any) -> None:
    """Let `fit`, `evaluate` and `predict` of `model` make their steps in a way that several machines can.

    Keras 3.15.1 refuses there: it averages a first batch that lies on two machines to learn its shape, and the values of
    a step along an axis that they do not have. Its step itself (a GradientTape) is sound, and so is all the rest of
    `fit`: only what surrounds the step is ours.
    """

    def shared(step: Callable[[Any], Mapping[str, Any]]) -> Callable[[Any], Mapping[str, Any]]:
        @tf.function(reduce_retracing=True)
        def one(batches: Any) -> Mapping[str, Any]:
            values = strategy.run(step, args=(batches.get_next(),))
            # The same on every machine, or they would not agree when to stop.
            return {name: strategy.reduce("MEAN", value, axis=None) for name, value in values.items()}

        return one  # type: ignore[no-any-return]  # TensorFlow ships no types

    def make_train_function(force: bool = False) -> None:  # noqa: ARG001  # Keras' own signature
        model.train_function = shared(model.train_step)

    def make_test_function(force: bool = False) -> None:  # noqa: ARG001
        model.test_function = shared(model.test_step)

    plain = model.predict_step

    def predict_step(data: Any) -> Any:
        def sendable(values: Any) -> Any:  # machines exchange numbers alone
            return tf.cast(values, tf.int32) if values.dtype == tf.bool else values

        return keras.tree.map_structure(sendable, plain(data))

    model.predict_step = predict_step
    model.make_train_function = make_train_function
    model.make_test_function = make_test_function
    model._distribute_strategy = None  # noqa: SLF001  # with it Keras averages the first batch; the scope is enough


def agree(sharing: Sharing | None, text: str) -> bool:
    """Return whether all workers say the same; without a cluster they do."""
    if sharing is None or sharing.cluster is None:
        return True
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.int32)
    slots = np.zeros((len(sharing.cluster.addresses), len(words)), np.int32)
    slots[sharing.cluster.index] = words
    said = _summed(sharing, slots)
    return bool((said == said[0]).all())


def leave(sharing: Sharing) -> None:
    """Wait until all workers are done, and then, but for the chief, until the chief has left.

    What the chief reads of the model comes from the others too; one who left early would be missed.
    """
    assert sharing.cluster is not None, "one machine waits for nobody"
    with suppress(WorkerLost):  # there is nothing left that one could miss
        agree(sharing, "done")
        if not sharing.cluster.is_chief:
            agree(sharing, "the chief does not answer, and its end ends this")


def hand_out(sharing: Sharing, run: Path) -> None:
    """Copy the chief's directory `run` to the directory `run` of every other worker, which is empty."""
    assert sharing.cluster is not None, "a run is handed out among machines"
    packed = _packed(run) if sharing.cluster.is_chief else b""
    size = int(_summed(sharing, np.array([len(packed)], np.int32))[0])
    padded = np.zeros(-(-size // 4), np.int32)
    if sharing.cluster.is_chief:
        padded.view(np.uint8)[:size] = np.frombuffer(packed, np.uint8)
    whole = _summed(sharing, padded).view(np.uint8)[:size].tobytes()
    if not sharing.cluster.is_chief:
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            archive.extractall(run, filter="data")


def _packed(run: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in sorted(run.iterdir()):
            if path.name not in LEFT_OUT and not path.name.startswith("."):
                archive.add(path, path.name)
    return stream.getvalue()


def _summed(sharing: Sharing, numbers: np.ndarray) -> np.ndarray:
    """Return the sum of what every worker brings, of one shape."""
    assert sharing.cluster is not None, "one machine has nobody to ask"
    local = sharing.replicas // len(sharing.cluster.addresses)
    with _noticing(sharing):
        sums = _sum_of_all(sharing.strategy, tf.constant(numbers), local)
        summed: np.ndarray = sharing.strategy.experimental_local_results(sums)[0].numpy()
    return summed


@tf.function(reduce_retracing=True)
def _sum_of_all(strategy: Any, numbers: Any, local: int) -> Any:
    def part() -> Any:
        here = tf.distribute.get_replica_context()
        # A worker with several devices brings its numbers once.
        first = tf.cast(tf.equal(here.replica_id_in_sync_group % local, 0), tf.int32)
        return here.all_reduce(tf.distribute.ReduceOp.SUM, numbers * first)

    return strategy.run(part)
