from contextlib import suppress
from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from pb import tfserving_pb2 as pb
from service.config import Policy, Url
from service.errors import Invalid
from service.protocols.tfserving import model_config
from service.repository.rules import Rules

WHOLE = """
# As in TensorFlow Serving's documentation.
model_config_list {
  config {
    name: 'first' base_path: '/models/first' model_platform: 'tensorflow'
    model_version_policy { specific { versions: 42 versions: 43 } }
    version_labels { key: 'stable' value: 42 }
    version_labels { key: 'canary' value: 43 }
  }
  config { name: 'second' base_path: '/other/second' model_platform: 'tensorflow' model_version_policy { all {} } }
  config: { name: "third", base_path: "/other/third", model_type: TENSORFLOW, model_version_policy: { latest: { num_versions: 2 } } }
  config { name: 'fourth' base_path: '/fourth' model_platform: 'tensorflow' logging_config { sampling_config { sampling_rate: 0.1 } } }
}
"""
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


def test_a_whole_file_is_read() -> None:
    served = model_config.read(WHOLE)
    assert served.base_paths == {
        "first": Path("/models/first"), "second": Path("/other/second"), "third": Path("/other/third"),
        "fourth": Path("/fourth"),
    }  # fmt: skip
    assert served.policies == {
        "first": Policy(kind="specific", versions=frozenset({42, 43})),
        "second": Policy(kind="all"),
        "third": Policy(kind="latest", count=2),
    }
    assert served.labels == {"first": {"stable": 42, "canary": 43}}
    assert served.without_effect == ("logging_config of model 'fourth': requests are not logged to files",)


def test_a_list_may_be_empty_but_has_to_be_there() -> None:
    assert dict(model_config.read("model_config_list {}").base_paths) == {}
    for text in ("", "# nothing yet"):
        with pytest.raises(Invalid, match="expected a model_config_list, got nothing"):
            model_config.read(text)


def test_a_base_path_may_be_a_url() -> None:
    served = model_config.read("model_config_list { config { name: 'x' base_path: 's3://bucket/models/x' } }")
    assert served.base_paths == {"x": Url("s3", "bucket/models/x")}


def test_rules_are_replaced_and_not_added_to() -> None:
    before = Rules(policies={"x": Policy()}, labels={"x": {"a": 1}}, unloaded=frozenset({"first"}))
    rules = model_config.read(WHOLE).rules(before, shelf=False)
    assert (set(rules.policies), set(rules.labels), rules.unloaded) == (
        {"first", "second", "third"},
        {"first"},
        frozenset(),
    )
    assert not rules.places.shelf


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_config_list { config { nam: 'x' } }", '1:30 : .* has no field named "nam"'),
        ("model_config_list {", "1:19 : "),
        ("custom_model_config {}", "Only ModelConfigList is currently supported"),
        ("model_config_list { config { base_path: '/x' } }", "model name ''"),
        ("model_config_list { config { name: '../x' base_path: '/x' } }", r"model name '\.\./x'"),
        ("model_config_list { config { name: 'x' } }", "to have an absolute path or URI"),
        ("model_config_list { config { name: 'x' base_path: 'x' } }", "to have an absolute path or URI"),
        ("model_config_list { config { name: 'x' base_path: 's3://b/x?key=y' } }", "got 's3://b/x'"),
        ("model_config_list { config { name: 'x' base_path: '/x\\000' } }", "to have an absolute path"),
        ("model_config_list { config { name: 'x' base_path: '/x' model_platform: 'caffe' } }", "got 'caffe'"),
        ("model_config_list { config { name: 'x' base_path: '/x' model_type: OTHER } }", "got 'OTHER'"),
        (
            "model_config_list { config { name: 'x' base_path: '/x' model_type: TENSORFLOW model_platform: 'tensorflow' } }",
            "Illegal setting both",
        ),
        (
            "model_config_list { config { name: 'x' base_path: '/x' } config { name: 'x' base_path: '/y' } }",
            "Illegal to list model x multiple times in config list",
        ),
        (
            "model_config_list { config { name: 'x' base_path: '/x' model_version_policy { specific { versions: 0 } } } }",
            "versions are 1 or more",
        ),
        (
            "model_config_list { config { name: 'x' base_path: '/x' version_labels { key: 'a' value: -1 } } }",
            "a version of 1 or more, got 'a': -1",
        ),
    ],
)
def test_what_cannot_be_served_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        model_config.read(text)


@given(
    st.dictionaries(
        NAMES,
        st.tuples(
            st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=3),
            st.dictionaries(NAMES, st.integers(1, 2**63 - 1), max_size=2),
        ),
        max_size=3,
    )
)
def test_what_is_written_as_text_is_read_back(models: dict[str, tuple[list[int], dict[str, int]]]) -> None:
    config = pb.ModelServerConfig(model_config_list=pb.ModelConfigList())
    for name, (versions, labels) in models.items():
        model = config.model_config_list.config.add(name=name, base_path=f"/{name}", version_labels=labels)
        model.model_version_policy.specific.versions.extend(versions)
    served = model_config.read(text_format.MessageToString(config))
    assert served.base_paths == {name: Path(f"/{name}") for name in models}
    assert served.labels == {name: labels for name, (_, labels) in models.items() if labels}
    assert {name: policy.versions for name, policy in served.policies.items()} == {
        name: frozenset(versions) for name, (versions, _) in models.items()
    }


@given(st.text(max_size=60))
def test_any_text_is_a_configuration_or_refused(text: str) -> None:
    with suppress(Invalid):
        model_config.read(text)
