"""Rules are values: changing them gives others."""

from __future__ import annotations

from service.config import Policy, Repository
from service.repository.rules import Rules


def test_the_settings_give_the_first_rules() -> None:
    settings = Repository.model_validate(
        {"policy": "all", "policies": {"a": "latest:2"}, "labels": {"a": {"stable": 1}}}
    )
    rules = Rules.of(settings)
    assert rules.policy_of("a") == Policy(count=2)
    assert rules.policy_of("b") == Policy(kind="all")
    assert rules.labels == {"a": {"stable": 1}}
    assert rules.unloaded == frozenset()


def test_a_label_of_the_rules_wins_over_the_one_on_disk_and_none_takes_it_away() -> None:
    on_disk = {"stable": 1, "canary": 2}
    rules = Rules().with_label("a", "stable", 3).with_label("a", "fresh", 4)
    assert rules.labels_of("a", on_disk) == {"stable": 3, "canary": 2, "fresh": 4}
    assert rules.with_label("a", "canary", None).labels_of("a", on_disk) == {"stable": 3, "fresh": 4}
    assert Rules().labels_of("a", on_disk) == on_disk


def test_what_is_changed_is_another_value_and_the_former_stays() -> None:
    rules = Rules()
    unloaded = rules.with_unloaded("a").with_unloaded("b")
    assert unloaded.unloaded == {"a", "b"}
    assert unloaded.with_loaded("a").unloaded == {"b"}
    assert unloaded.with_loaded("a").with_loaded("b") == rules == Rules()
