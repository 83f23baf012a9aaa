"""Directories as exporters leave them, whole or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.bundle import Generate, Manifest, Predict, Translate
from service.domain import ModelId
from service.engine.session import OnnxSession, Placement, open_session
from service.repository.errors import LoadError
from service.repository.huggingface.opening import open_version
from service.repository.store import DirectoryStore
from tests import huggingface
from tests.support import bundles


def open_graph(path: Path) -> OnnxSession:
    return open_session(path, Placement("cpu", 1))


def opened(directory: Path) -> Manifest:
    manifest, sessions = open_version(ModelId(directory.parent.name, 1), directory, open_graph)
    assert set(sessions) == set(manifest.signatures)
    return manifest


def edit(path: Path, **changes: Any) -> None:
    """Change settings of a JSON file; None takes one away."""
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


@pytest.mark.parametrize("folder", ["", "onnx"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "marian", "t5"])
def test_graphs_at_the_top_or_in_their_folder_are_a_version(tmp_path: Path, name: str, folder: str) -> None:
    directory = huggingface.publish(name, tmp_path, folder=folder)
    assert set(DirectoryStore(tmp_path).scan().versions) == {ModelId(name, 1)}
    task = opened(directory).task
    assert isinstance(task, Generate if name in {"gpt2", "llama"} else Translate)


def test_limits_and_special_tokens_of_a_decoder_are_those_of_its_configuration(tmp_path: Path) -> None:
    task = opened(huggingface.publish("llama", tmp_path)).task
    assert isinstance(task, Generate)
    assert (task.start_id, task.end_ids, task.vocabulary_size) == (2, (1, 56, 83), 168)
    assert (task.max_prompt_tokens, task.max_new_tokens, task.max_total_tokens) == (63, 64, 64)
    assert task.tokenizer.adds_special
    assert len(task.step.state) == 4


def test_limits_and_special_tokens_of_a_pair_are_those_of_its_configuration(tmp_path: Path) -> None:
    manifest = opened(huggingface.publish("marian", tmp_path))
    task = manifest.task
    assert isinstance(task, Translate)
    assert (task.start_id, task.end_ids, task.pad_id) == (0, (1, 119), 0)
    assert (task.max_source_tokens, task.max_new_tokens) == (64, 64)
    assert task.step.suppressed == (0,)
    assert [tensor.name for tensor in manifest.signatures["encode"].inputs] == [
        "source_ids",
        "encoder_attention_mask",
    ]


def test_the_manifest_names_every_file_that_decides_an_answer(tmp_path: Path) -> None:
    texts = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert set(opened(huggingface.publish("gpt2", tmp_path)).files) == {"model.onnx", *texts}
    graphs = {"encoder_model.onnx", "decoder_model.onnx", "decoder_with_past_model.onnx"}
    assert set(opened(huggingface.publish("t5", tmp_path)).files) == {*graphs, *texts}


@pytest.mark.parametrize("missing", ["tokenizer.json", "config.json"])
def test_a_decoder_without_a_tokenizer_or_configuration_is_served_as_predict_and_the_log_says_why(
    tmp_path: Path, missing: str
) -> None:
    directory = huggingface.publish("gpt2", tmp_path, without=(missing,))
    with capture_logs() as lines:
        manifest = opened(directory)
    assert isinstance(manifest.task, Predict)
    assert "past_key_values.1.value" in {tensor.name for tensor in manifest.default.inputs}
    assert [(line["event"], line["missing"]) for line in lines] == [("decoder_served_as_predict", [missing])]


def test_settings_that_are_not_heeded_are_told_to_the_log(tmp_path: Path) -> None:
    directory = huggingface.publish("marian", tmp_path)
    edit(directory / "generation_config.json", forced_bos_token_id=2, min_length=0)
    with capture_logs() as lines:
        assert isinstance(opened(directory).task, Translate)
    assert [(line["event"], line["settings"]) for line in lines] == [
        ("generation_settings_not_applied", ["forced_bos_token_id"])
    ]


def test_a_graph_that_continues_nothing_is_served_as_predict_without_a_word(
    tmp_path: Path,
) -> None:
    with capture_logs() as lines:
        assert isinstance(opened(bundles.write_bare_onnx(tmp_path)).task, Predict)
    assert lines == []


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("tokenizer.json", r"'tokenizer\.json' is missing"),
        ("config.json", r"'config\.json' is missing"),
        ("decoder_model.onnx", r"'decoder_model\.onnx' is missing"),
        ("decoder_with_past_model.onnx", r"'decoder_with_past_model\.onnx' is missing"),
        ("encoder_model.onnx", "nothing gives the context .* 'encoder_model.onnx' is missing"),
    ],
)
def test_a_pair_without_one_of_its_files_does_not_go_live_and_says_which(
    tmp_path: Path, missing: str, message: str
) -> None:
    with pytest.raises(LoadError, match=message):
        opened(huggingface.publish("t5", tmp_path, without=(missing,)))


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        (
            "generation_config.json",
            {"eos_token_id": 168},
            "'eos_token_id' 168 is outside the vocabulary of 168",
        ),
        (
            "generation_config.json",
            {"decoder_start_token_id": 999},
            "'decoder_start_token_id' 999 is outside",
        ),
        ("generation_config.json", {"eos_token_id": -1}, "eos_token_id"),
    ],
)
def test_special_tokens_that_the_model_does_not_have_are_refused(
    tmp_path: Path, file: str, changes: dict[str, Any], message: str
) -> None:
    directory = huggingface.publish("t5", tmp_path)
    edit(directory / file, **changes)
    with pytest.raises(LoadError, match=message):
        opened(directory)


@pytest.mark.parametrize("name", ["eos_token_id", "decoder_start_token_id"])
def test_a_pair_needs_to_know_where_a_target_begins_and_ends(tmp_path: Path, name: str) -> None:
    directory = huggingface.publish("t5", tmp_path)
    for file in ("config.json", "generation_config.json"):
        edit(directory / file, **{name: None, "bos_token_id": None})
    with pytest.raises(LoadError, match=f"has an? '{name}'"):
        opened(directory)


def test_a_file_that_is_a_link_to_somewhere_else_is_refused(tmp_path: Path) -> None:
    directory = huggingface.publish("gpt2", tmp_path, without=("tokenizer.json",))
    (directory / "tokenizer.json").symlink_to(huggingface.ROOT / "gpt2" / "tokenizer.json")
    with pytest.raises(LoadError, match=r"'tokenizer\.json' lies outside the version directory"):
        opened(directory)
