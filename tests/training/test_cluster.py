"""Who trains together, and what is wrong with what says so."""

import json

import pytest

from training.cluster import Cluster, Devices, read, team
from training.errors import StrategyError


def config(cluster: object, kind: object = "worker", index: object = 0) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_workers_count_in_the_order_of_their_addresses() -> None:
    two = {"worker": ["one:5000", "[::1]:5001"]}
    assert read(config(two)) == Cluster(("one:5000", "[::1]:5001"), 0)
    assert read(config(two)).is_chief
    assert not read(config(two, index=1)).is_chief


def test_a_chief_comes_before_the_workers() -> None:
    three = {"worker": ["one:1", "two:2"], "chief": ["zero:3"]}
    assert read(config(three, "chief")) == Cluster(("zero:3", "one:1", "two:2"), 0)
    assert read(config(three, "worker", 1)).index == 2


def test_without_a_strategy_the_environment_does_not_matter() -> None:
    assert team(None, None, {"TF_CONFIG": "nonsense"}) is None
    assert team("mirrored", 2, {"TF_CONFIG": "nonsense"}) == Devices(2)
    assert team("multiworker", None, config({"worker": ["a:1"]})) == Cluster(("a:1",), 0)


def test_devices_go_with_mirrored_alone() -> None:
    with pytest.raises(StrategyError, match="--devices goes with --strategy mirrored"):
        team("multiworker", 2, config({"worker": ["a:1"]}))


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "needs the environment variable TF_CONFIG"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG is not JSON"),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG has no object 'cluster'"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}}'}, "has no object 'task'"),
        (config({}), "'cluster' names no worker"),
        (config({"worker": []}), "'worker' must be a list of host:port"),
        (config({"worker": ["localhost"]}), "'localhost' is no address"),
        (config({"worker": ["localhost:99999"]}), "'localhost:99999' is no address"),
        (config({"worker": ["a:1", "a:1"]}), "an address twice"),
        (config({"worker": ["a:1"], "chief": ["b:1", "c:1"]}), "more than one chief"),
        (config({"worker": ["a:1"], "ps": ["b:1"]}), "'cluster' has 'ps'"),
        (config({"worker": ["a:1"]}, "evaluator"), "the task's type is 'evaluator'"),
        (config({"worker": ["a:1"]}, index=1), "the task's index is 1; expected 0 to 0"),
        (config({"worker": ["a:1"]}, index="0"), "the task's index is '0'"),
    ],
)
def test_a_broken_description_is_refused_with_what_was_expected(
    environment: dict[str, str], message: str
) -> None:
    with pytest.raises(StrategyError) as refused:
        read(environment)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
