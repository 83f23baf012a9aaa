"""What TensorBoard finds in a run, read by its own reader."""

import warnings
from pathlib import Path

import keras
import pytest

from training import epochlog
from training.classify.numpy_network import Network
from training.histograms import Histograms
from training.run import Run
from training.train import train

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray


def read(directory: Path) -> EventAccumulator:
    found = EventAccumulator(str(directory), size_guidance={"tensors": 0})
    found.Reload()
    return found


def steps(found: EventAccumulator, tag: str) -> list[int]:
    return [event.step for event in found.Tensors(tag)]


@pytest.fixture(scope="module")
def board(line, record, console, tmp_path_factory) -> Run:
    """A run that was interrupted after three of four epochs, with histograms after every second."""
    settings = line.settings(epochs=4, histograms=2)
    run = Run.create(tmp_path_factory.mktemp("runs") / "run", record, settings)
    keras.utils.clear_session()  # as in a process of its own: names of layers count up
    with pytest.raises(KeyboardInterrupt):
        train(line, run, settings.model_copy(update={"stop_after": 3}), console)
    keras.utils.clear_session()
    return train(line, Run.open(run.path), settings, console)


def test_losses_are_there_as_in_the_log_without_a_gap(board: Run) -> None:
    for part, name in (("train", "loss"), ("validation", "val_loss")):
        found = read(board.tensorboard / part)
        events = found.Tensors("epoch_loss")
        logged = [row[name] for row in epochlog.read(board.log)]
        assert [event.step for event in events] == [0, 1, 2, 3]
        values = [float(make_ndarray(event.tensor_proto)) for event in events]
        assert values == pytest.approx(logged, rel=1e-5)
    assert "epoch_learning_rate" in read(board.tensorboard / "train").Tags()["tensors"]


def test_weights_have_histograms_after_each_so_many_epochs(board: Run, line) -> None:
    found = read(board.tensorboard / "weights")
    tags = found.Tags()["tensors"]
    assert len(tags) == 4, "two layers of kernel and bias"
    (kernel, *_) = [tag for tag in tags if tag.endswith("kernel")]
    assert steps(found, kernel) == [1, 3]
    summary = found.SummaryMetadata(kernel)
    assert summary.plugin_data.plugin_name == "histograms"


def test_without_the_setting_there_are_none(line, run, settings, console) -> None:
    assert settings.histograms is None
    kinds = {type(each) for each in callbacks_of(line, run, settings, console)}
    assert Histograms not in kinds


def callbacks_of(line, run, settings, console) -> list:
    from training import callbacks

    return callbacks.for_run(line, run, settings, console).callbacks


def test_a_network_in_numpy_has_histograms_too(tmp_path: Path) -> None:
    histograms = Histograms(tmp_path, every=1)
    histograms.set_model(Network((4, 3), dropout_rate=0.0, seed=1))
    histograms.on_epoch_end(0)
    histograms.on_train_end()
    assert set(read(tmp_path).Tags()["tensors"]) == {"weights_0", "bias_0"}
