from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.config import Settings
from service.errors import Invalid
from service.protocols.tfserving import batching_config

DOCUMENTED = """
max_batch_size { value: 128 }
batch_timeout_micros { value: 1500 }
max_enqueued_batches { value: 4 }
num_batch_threads { value: 8 }
allowed_batch_sizes: 32
allowed_batch_sizes: 128
pad_variable_length_inputs: true
"""


def test_what_means_the_same_is_set_and_the_rest_is_told() -> None:
    batching = batching_config.read(DOCUMENTED)
    assert batching.engine == {"max_rows": 128, "max_delay_s": 0.0015, "max_queued": 512}
    parts = [sentence.split(":")[0] for sentence in batching.without_effect]
    assert parts == [
        "num_batch_threads and thread_pool_name",
        "allowed_batch_sizes",
        "pad_variable_length_inputs",
    ]


def test_a_batch_that_is_split_has_the_rows_of_its_parts() -> None:
    split = "max_batch_size { value: 100 } max_execution_batch_size { value: 20 } enable_large_batch_splitting { value: true }"
    assert batching_config.read(split).engine == {"max_rows": 20}
    assert batching_config.read(split.replace("true", "false")).engine == {"max_rows": 100}


def test_an_empty_file_changes_nothing() -> None:
    assert batching_config.read("") == batching_config.Batching({}, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size { value: 0 }", "max_batch_size: expected 1 or more, got 0"),
        ("max_batch_size: 5", "expected a BatchingParameters as text"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros"),
        ("max_enqueued_batches { value: -5 }", "max_enqueued_batches"),
        ("allowed_batch_sizes: 8 allowed_batch_sizes: 4", "rising"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4", "the last of allowed_batch_sizes must be max_batch_size, 8"),
        ("batch_padding_policy: 'x'", 'no field named "batch_padding_policy"'),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        batching_config.read(text)


@given(
    rows=st.integers(-1, 5000),
    micros=st.integers(-1, 10**7),
    batches=st.integers(-1, 100),
    split=st.booleans(),
)
def test_what_is_read_is_what_the_engine_takes(rows: int, micros: int, batches: int, split: bool) -> None:
    text = (
        f"max_batch_size {{ value: {rows} }} batch_timeout_micros {{ value: {micros} }} "
        f"max_enqueued_batches {{ value: {batches} }} enable_large_batch_splitting {{ value: {str(split).lower()} }}"
    )
    with suppress(Invalid):
        engine = batching_config.read(text).engine
        assert Settings.model_validate({"engine": engine}).engine.max_rows == rows
