"""Labels for pictures, rows and texts."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service import bundle
from service.domain import Array, ClassifyRequest, LabelScore, ModelId, Tensors, Timing, TokenWeight
from service.errors import Invalid
from service.tasks import build_task
from service.tasks.build import Task
from tests.support import bundles
from tests.support.fakes import FakeRunner

NEVER_S = 1e9
TIMING = Timing(queue_s=0.1, run_s=0.2, batch_rows=3)


def shapes(tmp_path: Path, compute: Any = None) -> tuple[Task, FakeRunner]:
    directory = bundles.write_classifier(tmp_path)
    manifest = bundle.read(directory)

    def probabilities(feeds: Tensors) -> Tensors:
        return {"probabilities": bundles.classifier_probabilities(feeds["image"])}

    runner = FakeRunner(manifest.default, compute or probabilities, timing=TIMING)
    return build_task(manifest, {"classify": runner}, None, directory), runner


def fixed(*probabilities: float) -> Any:
    return lambda _: {"probabilities": np.array([probabilities], np.float32)}


async def test_the_most_probable_labels_come_first_with_model_and_timing(tmp_path: Path) -> None:
    task, _ = shapes(tmp_path)
    answer = await task.run(ClassifyRequest(pixels=[[255, 255, 0, 0]] * 4, top_k=2), NEVER_S)
    assert (answer.model, answer.timing) == (ModelId("shapes", 1), TIMING)
    assert [each.label for each in answer.labels] == ["left", "dark"]
    assert answer.labels[0].probability == pytest.approx(0.9972, abs=1e-4)


async def test_an_encoded_image_is_classified_as_its_pixels_are(tmp_path: Path) -> None:
    task, _ = shapes(tmp_path)
    levels = np.array([[0, 0, 255, 255]] * 4, np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    by_file = await task.run(ClassifyRequest(image=file.getvalue()), NEVER_S)
    by_pixels = await task.run(ClassifyRequest(pixels=levels), NEVER_S)
    by_scaled = await task.run(ClassifyRequest(pixels=levels / 255, scaled=True), NEVER_S)
    assert by_file.labels == by_pixels.labels == by_scaled.labels
    assert by_file.labels[0].label == "right"


async def test_equal_probabilities_keep_the_models_order_and_top_k_ends_at_the_last_label(
    tmp_path: Path,
) -> None:
    task, _ = shapes(tmp_path, fixed(0.25, 0.5, 0.25))
    answer = await task.run(ClassifyRequest(pixels=[[0] * 4] * 4, top_k=99), NEVER_S)
    assert answer.labels == (LabelScore("left", 0.5), LabelScore("dark", 0.25), LabelScore("right", 0.25))


async def test_many_equal_probabilities_keep_the_models_order(tmp_path: Path) -> None:
    directory = bundles.write_classifier(tmp_path)
    manifest = bundle.read(directory)
    labels = tuple(f"label {index}" for index in range(100))
    manifest = manifest.model_copy(update={"task": manifest.task.model_copy(update={"labels": labels})})
    runner = FakeRunner(manifest.default, fixed(*[0.01, 0.02] * 50))
    task = build_task(manifest, {"classify": runner}, None, directory)
    answer = await task.run(ClassifyRequest(pixels=[[0] * 4] * 4, top_k=100), NEVER_S)
    assert tuple(each.label for each in answer.labels) == labels[1::2] + labels[::2]


async def test_an_input_without_finite_probabilities_is_named(tmp_path: Path) -> None:
    task, _ = shapes(tmp_path, fixed(0.5, np.nan, 0.5))
    with pytest.raises(Invalid, match="no finite probabilities") as caught:
        await task.run(ClassifyRequest(pixels=[[0] * 4] * 4), NEVER_S)
    assert caught.value.field == "pixels"


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        (ClassifyRequest(), "image", "no input; this model takes image or pixels"),
        (ClassifyRequest(text="hello"), "text", "this model takes image or pixels, got text"),
        (ClassifyRequest(features=[1, 2]), "features", "this model takes image or pixels, got features"),
        (
            ClassifyRequest(image=b"x", pixels=[[1]]),
            "pixels",
            "expected exactly one form of input, got image and pixels",
        ),
        (ClassifyRequest(pixels=[[1]], top_k=0), "top_k", "expected 1 or more, got 0"),
        (ClassifyRequest(image=b"x"), "image", "expected a PNG or JPEG image"),
        (ClassifyRequest(pixels=[[-1]]), "pixels", "expected values of 0 to 255"),
    ],
)
async def test_a_wrong_request_names_its_field_and_runs_nothing(
    tmp_path: Path, request_: ClassifyRequest, field: str, message: str
) -> None:
    task, runner = shapes(tmp_path)
    with pytest.raises(Invalid, match=message) as caught:
        await task.run(request_, NEVER_S)
    assert caught.value.field == field
    assert runner.calls == []


async def test_the_deadline_is_passed_on(tmp_path: Path) -> None:
    task, runner = shapes(tmp_path)
    deadline_at_s = asyncio.get_running_loop().time() + 5
    await task.run(ClassifyRequest(pixels=[[0] * 4] * 4), deadline_at_s)
    assert [(call.outputs, call.deadline_at_s) for call in runner.calls] == [
        (("probabilities",), deadline_at_s)
    ]


async def test_a_row_of_features_is_taken_by_position_or_by_name(tmp_path: Path) -> None:
    directory = bundles.write_feature_classifier(tmp_path)
    manifest = bundle.read(directory)
    runner = FakeRunner(manifest.default, lambda feeds: {"probabilities": feeds["row"][:, :3] / 10})
    task = build_task(manifest, {"classify": runner}, None, directory)
    by_position = await task.run(ClassifyRequest(features=[1, 2, 3, 4]), NEVER_S)
    named = {"fourth": 4, "third": 3, "second": 2, "first": 1}
    by_name = await task.run(ClassifyRequest(features=named), NEVER_S)
    assert [each.label for each in by_position.labels] == ["third", "second", "first"]
    assert by_name.labels == by_position.labels
    with pytest.raises(Invalid, match="missing feature 'second'") as caught:
        await task.run(ClassifyRequest(features={"first": 1, "third": 3, "fourth": 4}), NEVER_S)
    assert caught.value.field == "features.second"
    with pytest.raises(Invalid, match="expected 4 numbers, got 2") as caught:
        await task.run(ClassifyRequest(features=[1, 2]), NEVER_S)
    assert caught.value.field == "features"


async def test_a_text_is_tokenised_and_cut_at_the_models_limit(tmp_path: Path) -> None:
    directory = bundles.write_text_classifier(tmp_path)
    manifest = bundle.read(directory)
    seen: list[Array] = []

    def compute(feeds: Tensors) -> Tensors:
        seen.append(feeds["ids"])
        return {"probabilities": np.array([[0.9, 0.1]], np.float32)}

    task = build_task(manifest, {"classify": FakeRunner(manifest.default, compute)}, None, directory)
    answer = await task.run(ClassifyRequest(text="the cat"), NEVER_S)
    assert [each.label for each in answer.labels] == ["english", "french"]
    await task.run(ClassifyRequest(text="the " * 1_000_000), NEVER_S)
    the, cat = bundles.VOCABULARY.index("the"), bundles.VOCABULARY.index("cat")
    assert [each.tolist() for each in seen] == [[[the, cat]], [[the] * 8]]
    for empty in ("", "  \n"):
        with pytest.raises(Invalid, match="nothing but space") as caught:
            await task.run(ClassifyRequest(text=empty), NEVER_S)
        assert caught.value.field == "text"


async def test_a_text_may_be_cut_at_its_beginning(tmp_path: Path) -> None:
    directory = bundles.write_text_classifier(tmp_path)
    manifest = bundle.read(directory)
    task = manifest.task
    assert isinstance(task, bundle.Classify)
    accepts = task.accepts.model_copy(update={"keep": "last"})
    manifest = manifest.model_copy(update={"task": task.model_copy(update={"accepts": accepts})})
    runner = FakeRunner(manifest.default, fixed(0.9, 0.1))
    classify = build_task(manifest, {"classify": runner}, None, directory)
    for text in ("the " * 7 + "cat", "the " * 1_000_000 + "cat"):
        await classify.run(ClassifyRequest(text=text), NEVER_S)
    the, cat = bundles.VOCABULARY.index("the"), bundles.VOCABULARY.index("cat")
    assert [call.feeds["ids"].tolist() for call in runner.calls] == [[[the] * 7 + [cat]]] * 2


async def test_attention_is_told_of_each_token_that_was_read(tmp_path: Path) -> None:
    directory = bundles.write_text_classifier(tmp_path)
    manifest = bundle.read(directory)
    task = manifest.task.model_copy(update={"attention": "attention"})
    manifest = manifest.model_copy(update={"task": task})
    weights = [0.25, 0.75]

    def compute(_: Tensors) -> Tensors:
        return {
            "probabilities": np.array([[0.9, 0.1]], np.float32), "attention": np.array([weights], np.float32)
        }  # fmt: skip

    weight = bundle.Tensor(name="attention", dtype="float32", shape=manifest.default.input("ids").shape)
    signature = manifest.default.model_copy(update={"outputs": (*manifest.default.outputs, weight)})
    runner = FakeRunner(signature, compute)
    classify = build_task(manifest, {"classify": runner}, None, directory)
    answer = await classify.run(ClassifyRequest(text="the cat"), NEVER_S)
    assert runner.calls[0].outputs == ("probabilities", "attention")
    assert answer.attention == (TokenWeight("the", 0.25), TokenWeight("cat", 0.75))
    weights[0] = np.nan
    with pytest.raises(Invalid, match="no finite"):
        await classify.run(ClassifyRequest(text="the cat"), NEVER_S)
