"""Which files make a version without a manifest."""

import pytest

from service.repository.errors import LoadError
from service.repository.huggingface.layout import ENCODERS, GRAPHS, Layout, find

MERGED = "decoder_model_merged.onnx"
ENCODER = "encoder_model.onnx"


@pytest.mark.parametrize("folder", ["", "onnx/"])
@pytest.mark.parametrize(
    ("files", "step", "encoder", "first"),
    [
        (["model.onnx"], "model.onnx", None, None),
        ([MERGED], MERGED, None, None),
        (["decoder_model.onnx", "decoder_with_past_model.onnx"], "decoder_with_past_model.onnx", None, None),
        (["decoder_model.onnx", "decoder_with_past_model.onnx", MERGED], MERGED, None, None),
        ([ENCODER, MERGED], MERGED, ENCODER, MERGED),
        (
            [ENCODER, "decoder_model.onnx", "decoder_with_past_model.onnx"],
            "decoder_with_past_model.onnx",
            ENCODER,
            "decoder_model.onnx",
        ),
        ([ENCODER, "decoder_model.onnx", "decoder_with_past_model.onnx", MERGED], MERGED, ENCODER, MERGED),
        ([ENCODER, "model.onnx"], "model.onnx", None, None),
    ],
)
def test_the_graphs_are_found_by_their_names(
    folder: str, files: list[str], step: str, encoder: str | None, first: str | None
) -> None:
    expected = Layout(folder + step, encoder and folder + encoder, first and folder + first)
    assert find([folder + file for file in files]) == expected


def test_what_lies_at_the_top_goes_before_what_lies_in_the_folder() -> None:
    assert find(["onnx/model.onnx", "model.onnx"]) == Layout("model.onnx")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["decoder_model.onnx"], "'decoder_model.onnx' alone cannot continue a sequence"),
        ([ENCODER, "decoder_model.onnx"], "'decoder_with_past_model.onnx' is missing"),
        ([ENCODER, "decoder_with_past_model.onnx"], "'decoder_model.onnx' is missing"),
    ],
)
def test_what_misses_a_part_says_which(files: list[str], message: str) -> None:
    with pytest.raises(LoadError, match=message):
        find(files)


def test_an_encoder_alone_is_no_version() -> None:
    assert not GRAPHS & ENCODERS
