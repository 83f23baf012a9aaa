import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export import golden
from export.build import Target, build
from export.errors import (
    CompanyError,
    ConversionError,
    ExportError,
    ParityError,
    ProbeError,
    PublishError,
    RecipeError,
)
from export.recipe import Recipe, Source
from service import bundle
from service.bundle import Tensor

Bag = Callable[..., Recipe]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, source: Source, bag: Bag) -> Path:
    """The first version of a bag of words."""
    return build(source, bag(), Target(tmp_path_factory.mktemp("models"), "bag"))


def refuse(tmp_path: Path, source: Source, recipe: Recipe, error: type[ExportError], reason: str) -> None:
    """Assert that an export is refused for a reason, and that nothing of it is left."""
    with pytest.raises(error, match=reason):
        build(source, recipe, Target(tmp_path, "bag"))
    assert list(tmp_path.glob("bag/*")) == []


def test_a_version_holds_what_its_manifest_promises(published: Path) -> None:
    manifest = bundle.read(published)
    bundle.verify_files(published, manifest.files)
    assert (manifest.name, manifest.version, published.name) == ("bag", 1, "1")
    assert manifest.default_signature == "bag"
    assert {name: entry.file for name, entry in manifest.signatures.items()} == {
        "bag": "model.onnx",
        "dense": "dense.onnx",
    }
    assert manifest.metrics == {"accuracy": 0.75}
    assert manifest.provenance.libraries["python"] == "3.11"
    assert manifest.provenance.libraries["tf2onnx"] == "1.17.0"
    assert manifest.files.keys() >= {
        "saved_model.pb", "model.onnx", "dense.onnx", "report/curves.png", "report/log.csv",
        "report/README.md", "assets.extra/golden-bag.npz", "assets.extra/golden-dense.npz",
    }  # fmt: skip


def test_how_examples_feed_it_is_written_down(published: Path) -> None:
    (declared,) = bundle.read(published).examples
    assert (declared.method, declared.signature, declared.output) == ("classify", "dense", "probabilities")
    assert [feature.name for feature in declared.inputs["features"]] == ["v", "w", "x", "y", "z"]


def test_the_parity_that_was_reached_is_written_down(published: Path) -> None:
    parity = bundle.read(published).parity
    assert parity["bag"].max_relative < 1e-6
    assert parity["bag"].ragged
    assert parity["bag"].cases == 18
    assert not parity["dense"].ragged


def test_the_axes_of_the_graph_have_the_names_of_the_manifest(published: Path) -> None:
    session = onnxruntime.InferenceSession(published / "model.onnx")
    assert {entry.name: entry.shape for entry in session.get_inputs()} == {
        "ids": ["batch", "time"],
        "lengths": ["batch"],
    }
    assert [entry.shape for entry in session.get_outputs()] == [["batch", 3]]


def test_the_golden_request_is_ragged_and_answered_by_the_graph(published: Path) -> None:
    manifest = bundle.read(published)
    inputs, outputs = golden.read(published / "assets.extra/golden-bag.npz", manifest.signatures["bag"])
    assert len(set(inputs["lengths"])) > 1
    (answer,) = onnxruntime.InferenceSession(published / "model.onnx").run(None, dict(inputs))
    np.testing.assert_allclose(answer, outputs["probabilities"], rtol=1e-5)


def test_the_saved_model_has_every_signature_and_the_default_under_its_serving_name(published: Path) -> None:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(published))
    assert set(loaded.signatures) == {"bag", "dense", "serving_default"}
    answer = loaded.signatures["serving_default"](ids=tf.constant([[1, 2]]), lengths=tf.constant([2]))
    assert answer["probabilities"].shape == (1, 3)


def test_the_card_says_what_the_model_is_how_good_and_what_it_cannot_do(published: Path) -> None:
    card = (published / "report" / "README.md").read_text()
    for part in (
        "# bag",
        "Classifies into 3 labels: a, b, c",
        "115 parameters",
        "| accuracy | 0.75 | >= 0.8: missed |",
        "It misses what is expected of the job: accuracy is 0.75, not >= 0.8.",
        "The figures come from 8 held-out examples of the same source.",
        "It always answers with its 3 labels",
        "![curves](curves.png)",
        "    The *first* page.",
        "[batch, time]",
        "| seed | 1 |",
    ):
        assert part in card


def test_everything_that_the_card_shows_lies_beside_it(published: Path) -> None:
    card = (published / "report" / "README.md").read_text()
    shown = re.findall(r"\]\(([\w-]+\.\w+)\)", card)
    assert sorted(set(shown)) == ["curves.png", "page.txt"]
    assert all((published / "report" / name).is_file() for name in shown)


def hand_made(*, weight: float = 1.0, lengths: bool = True, opset: int = 18) -> Callable[[], onnx.ModelProto]:
    """A graph with the names of a bag of words, whose answer is wrong."""

    def make() -> onnx.ModelProto:
        values = [
            helper.make_tensor_value_info("ids", TensorProto.INT32, [None, None]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, [None]),
        ]
        output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 3])
        zeros = numpy_helper.from_array(np.full((1, 3), weight, np.float32), "weights")
        axes = numpy_helper.from_array(np.array([1]), "axes")
        nodes = [
            helper.make_node("Unsqueeze", ["lengths", "axes"], ["column"]),
            helper.make_node("Cast", ["column"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["number", "weights"], ["probabilities"]),
        ]
        graph = helper.make_graph(nodes, "wrong", values[: 2 if lengths else 1], [output], [zeros, axes])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)

    return make


def test_a_graph_that_answers_otherwise_is_refused_and_nothing_is_left(
    tmp_path: Path, source: Source, bag: Bag
) -> None:
    refuse(
        tmp_path, source, bag(graph=hand_made()), ParityError, "signature 'bag'.*'probabilities' differs by"
    )


def test_a_graph_that_ignores_lengths_is_refused(
    tmp_path: Path, source: Source, bag: Bag, published: Path
) -> None:
    def ignore_lengths() -> onnx.ModelProto:
        """The right graph, in which every row is as long as the longest."""
        model = onnx.load(published / "model.onnx")
        for node in model.graph.node:
            node.input[:] = ["full" if name == "lengths" else name for name in node.input]
        one = numpy_helper.from_array(np.array(1), "one_index")
        model.graph.initializer.append(one)
        cast = helper.make_node("Cast", ["width"], ["narrow"], to=TensorProto.INT32)
        nodes = [
            helper.make_node("Shape", ["ids"], ["whole"]),
            helper.make_node("Gather", ["whole", "one_index"], ["width"]),
            cast,
            helper.make_node("Shape", ["lengths"], ["rows"]),
            helper.make_node("Expand", ["narrow", "rows"], ["full"]),
        ]
        for position, node in enumerate(nodes):
            model.graph.node.insert(position, node)
        return model

    refuse(
        tmp_path,
        source,
        bag(graph=ignore_lengths),
        ParityError,
        r"\(.*ragged\): output 'probabilities' differs",
    )


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (hand_made(lengths=False), r"signature 'bag': the graph has the inputs \['ids'\], declared are"),
        (hand_made(opset=12), "opset 12 with IR version 10: expected opset 13"),
    ],
)
def test_a_graph_that_is_not_what_was_declared_is_refused(
    tmp_path: Path, source: Source, bag: Bag, graph: Callable[[], onnx.ModelProto], reason: str
) -> None:
    refuse(tmp_path, source, bag(graph=graph), ConversionError, reason)


def test_a_graph_that_does_not_load_is_refused_by_the_probe(tmp_path: Path, source: Source, bag: Bag) -> None:
    def unknown_operation() -> onnx.ModelProto:
        model = hand_made()()
        model.graph.node[0].domain = "nobody.knows"
        model.opset_import.append(helper.make_opsetid("nobody.knows", 1))
        return model

    refuse(tmp_path, source, bag(graph=unknown_operation), ProbeError, r"model\.onnx does not load and run")


def test_a_model_whose_rows_change_each_other_is_refused(tmp_path: Path, source: Source, bag: Bag) -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 5), tf.float32, name="features")])
    def centred(features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": features[:, :3] - tf.reduce_mean(features[:, :3], 0)}

    recipe = bag()
    wrong = replace(recipe.endpoints[1], function=centred)
    reason = "signature 'dense': a row .* otherwise in a batch than alone"
    refuse(tmp_path, source, replace(recipe, endpoints=(recipe.endpoints[0], wrong)), CompanyError, reason)


def test_a_wrongly_declared_output_is_refused(tmp_path: Path, source: Source, bag: Bag) -> None:
    recipe = bag()
    wrong = replace(
        recipe.endpoints[0], outputs=(Tensor(name="logits", dtype="float32", shape=("batch", 3)),)
    )
    reason = r"endpoint 'bag' returns \['probabilities'\], declared are \['logits'\]"
    refuse(tmp_path, source, replace(recipe, endpoints=(wrong, recipe.endpoints[1])), RecipeError, reason)


def test_a_task_that_does_not_fit_its_signature_is_refused(tmp_path: Path, source: Source, bag: Bag) -> None:
    recipe = bag()
    task = recipe.task.model_copy(update={"labels": ("a", "b")})
    refuse(
        tmp_path, source, replace(recipe, task=task), RecipeError, "expected 2 at the end: one for each label"
    )


def test_a_missing_asset_is_refused_before_any_work(tmp_path: Path, source: Source, bag: Bag) -> None:
    recipe = replace(bag(), assets={"labels.json": tmp_path / "nowhere.json"})
    refuse(tmp_path, source, recipe, RecipeError, "asset 'labels.json': .* is not a file")


def test_a_name_that_could_leave_the_repository_is_refused(tmp_path: Path, source: Source, bag: Bag) -> None:
    with pytest.raises(RecipeError, match=r"model name '\.\./bag'"):
        build(source, bag(), Target(tmp_path, "../bag"))


def test_a_metric_that_is_no_number_is_refused(tmp_path: Path, source: Source, bag: Bag) -> None:
    refuse(tmp_path, replace(source, metrics={"loss": float("nan")}), bag(), PublishError, "metrics.loss")


def test_the_manifest_is_json_that_any_program_can_read(published: Path) -> None:
    manifest = json.loads((published / "manifest.json").read_text())
    assert manifest["signatures"]["bag"]["inputs"][0]["shape"] == ["batch", "time"]
    assert manifest["task"]["word"] == "classify"
