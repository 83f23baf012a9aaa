"""Named tensors in, named tensors out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service import bundle
from service.domain import ModelId, PredictRequest, Tensors
from service.errors import Invalid, NotFound, TimedOut
from service.tasks import build_predict, build_task
from service.tasks.predict import Predict
from tests.support.bundles import write_mixed, write_multiply
from tests.support.fakes import FakeRunner

NEVER_S = 1e9


@pytest.fixture
def predict(tmp_path: Path) -> Predict:
    manifest = bundle.read(write_mixed(tmp_path, version=3))

    def default(feeds: Tensors) -> Tensors:
        return {
            "doubled": feeds["count"] * 2,
            "inverted": ~feeds["flag"],
            "halves": feeds["half"] + feeds["half"],
        }

    return build_predict(
        manifest,
        {
            "default": FakeRunner(manifest.signatures["default"], default),
            "echo": FakeRunner(manifest.signatures["echo"], lambda feeds: {"same": feeds["words"]}),
        },
    )


def inputs(**changes: object) -> dict[str, object]:
    return {"count": [[1, 2]], "flag": [[True, False]], "half": [[0.5, 1]]} | changes


async def test_lists_become_tensors_and_every_output_comes_back(predict: Predict) -> None:
    answer = await predict.run(PredictRequest(inputs()), NEVER_S)
    assert (answer.model, answer.signature) == (ModelId("mixed", 3), "default")
    assert answer.outputs["doubled"].tolist() == [[2, 4]]
    assert answer.outputs["inverted"].tolist() == [[False, True]]
    assert answer.outputs["halves"].dtype == np.float16
    assert answer.outputs["halves"].tolist() == [[1.0, 2.0]]


async def test_another_signature_and_only_the_outputs_that_were_asked_for(predict: Predict) -> None:
    answer = await predict.run(PredictRequest({"words": ["a", "ü"]}, signature="echo"), NEVER_S)
    assert (answer.signature, answer.outputs["same"].tolist()) == ("echo", ["a", "ü"])
    some = await predict.run(PredictRequest(inputs(), outputs=("halves",)), NEVER_S)
    assert list(some.outputs) == ["halves"]


async def test_an_unknown_signature_is_not_found(predict: Predict) -> None:
    with pytest.raises(NotFound, match="no signature 'embed'; this model has default, echo") as caught:
        await predict.run(PredictRequest(inputs(), signature="embed"), NEVER_S)
    assert caught.value.field == "signature"


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        (PredictRequest({}), "inputs", "no inputs; expected count, flag, half"),
        (
            PredictRequest(inputs(hello=[1])),
            "inputs.hello",
            "unknown input 'hello'; expected count, flag, half",
        ),
        (
            PredictRequest({"count": [[1, 2]]}),
            "inputs.flag",
            "missing input 'flag'; expected count, flag, half",
        ),
        (PredictRequest(inputs(count=[[1.5, 2]])), "inputs.count", "expected int64, got a number at"),
        (
            PredictRequest(inputs(count=[[1, 2, 3]])),
            "inputs.count",
            r"expected shape \[-1, 2\], got \[1, 3\]",
        ),
        (PredictRequest(inputs(flag=[[True, True]] * 2)), "inputs.flag", "input 'flag': expected shape"),
        (PredictRequest(inputs(), outputs=("nothing",)), "outputs", "unknown output 'nothing'"),
    ],
)
async def test_a_wrong_request_names_its_field(
    predict: Predict, request_: PredictRequest, field: str, message: str
) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        await predict.run(request_, NEVER_S)
    assert caught.value.field == field


async def test_a_deadline_that_has_passed_reaches_the_runner(predict: Predict) -> None:
    with pytest.raises(TimedOut):
        await predict.run(PredictRequest(inputs()), 0.0)


async def test_the_word_predict_is_the_same_as_what_stands_beside_other_words(tmp_path: Path) -> None:
    manifest = bundle.read(write_multiply(tmp_path, factor=3))
    runners = {"multiply": FakeRunner(manifest.default, lambda feeds: {"y": feeds["x"] * 3})}
    request = PredictRequest({"x": [[1, 2, 3, 4]]})
    for task in (build_task(manifest, runners, None, tmp_path), build_predict(manifest, runners)):
        answer = await task.run(request, NEVER_S)
        assert answer.outputs["y"].tolist() == [[3, 6, 9, 12]]
