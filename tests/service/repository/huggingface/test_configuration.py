"""What the configuration files say together."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.repository.errors import LoadError
from service.repository.huggingface.configuration import FALLBACK_TOKENS, Configuration, read


def told(tmp_path: Path, **files: dict[str, Any]) -> Configuration:
    for name, content in {"config": {}, **files}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return read(tmp_path)


def test_what_decides_generation_comes_from_its_own_file_first(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        config={"eos_token_id": 1, "bos_token_id": 2, "decoder_start_token_id": 3, "pad_token_id": 4},
        generation_config={"eos_token_id": [5, 6, 5], "decoder_start_token_id": 7},
    )
    assert (found.end_ids, found.start_id, found.decoder_start_id, found.pad_id) == ((5, 6), 2, 7, 4)


def test_a_target_starts_with_the_start_token_where_it_has_none_of_its_own(tmp_path: Path) -> None:
    assert told(tmp_path, config={"bos_token_id": 0}).decoder_start_id == 0


def test_nothing_said_is_nothing_assumed_but_a_length(tmp_path: Path) -> None:
    found = told(tmp_path, config={"eos_token_id": None, "some_other_setting": {"a": 1}})
    assert (found.end_ids, found.start_id, found.pad_id, found.suppressed_ids) == ((), None, None, ())
    assert (found.heads, found.head_size, found.positions) == (None, None, None)
    assert found.max_tokens == found.max_source_tokens == FALLBACK_TOKENS


@pytest.mark.parametrize("name", ["max_position_embeddings", "n_positions", "max_seq_len"])
def test_each_architecture_has_its_own_name_for_positions(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, config={name: 77}).max_tokens == 77


def test_where_positions_have_no_end_the_tokenizer_bounds_a_text(tmp_path: Path) -> None:
    assert told(tmp_path, tokenizer_config={"model_max_length": 99}).max_source_tokens == 99
    no_limit = {"model_max_length": 1000000000000000019884624838656}
    assert told(tmp_path, tokenizer_config=no_limit).max_source_tokens == FALLBACK_TOKENS


def test_an_answer_is_as_long_as_the_model_wants_and_knows_positions_for(tmp_path: Path) -> None:
    assert told(tmp_path, generation_config={"max_length": 20}).max_new_tokens(64) == 20
    assert told(tmp_path, generation_config={"max_new_tokens": 500}).max_new_tokens(64) == 64
    assert told(tmp_path, generation_config={}).max_new_tokens(64) == 64


def test_words_of_one_token_are_suppressed_and_the_end_token_never(tmp_path: Path) -> None:
    settings = {"bad_words_ids": [[4], [5, 6], [1]], "suppress_tokens": [9, 4], "eos_token_id": 1}
    assert told(tmp_path, generation_config=settings).suppressed_ids == (4, 9)


def test_settings_that_change_greedy_answers_and_are_not_heeded_are_known(tmp_path: Path) -> None:
    neutral = {"no_repeat_ngram_size": 0, "repetition_penalty": 1.0, "min_length": 0, "num_beams": 4}
    assert told(tmp_path, generation_config=neutral).not_applied == ()
    changing = {"forced_bos_token_id": 0, "no_repeat_ngram_size": 3, "bad_words_ids": [[1], [2, 3]]}
    assert told(tmp_path, generation_config=changing).not_applied == (
        "forced_bos_token_id",
        "no_repeat_ngram_size",
        "bad_words_ids of several tokens",
    )


@pytest.mark.parametrize(
    ("config", "heads", "size"),
    [
        ({"num_attention_heads": 8, "hidden_size": 64}, 8, 8),
        ({"num_attention_heads": 8, "num_key_value_heads": 2, "hidden_size": 64}, 2, 8),
        ({"num_attention_heads": 8, "hidden_size": 64, "head_dim": 32}, 8, 32),
    ],
)
def test_grouped_heads_share_their_caches(
    tmp_path: Path, config: dict[str, int], heads: int, size: int
) -> None:
    found = told(tmp_path, config=config)
    assert (found.heads, found.head_size) == (heads, size)


def test_a_version_without_a_configuration_says_so(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"'config\.json' is missing"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"'config\.json' is not valid: the file: Invalid JSON"),
        ("[]", r"'config\.json' is not valid: the file: Input should be an object"),
        ('{"bos_token_id": -1}', r"bos_token_id: Input should be greater than or equal to 0"),
        ('{"n_positions": "many"}', r"n_positions: Input should be a valid integer"),
        (" " * (4 * 1024 * 1024 + 1), r"'config\.json' is too large"),
    ],
)
def test_a_file_that_is_none_is_named_with_its_setting(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(LoadError, match=message):
        read(tmp_path)
