"""Layers of settings, and what stops the start."""

from pathlib import Path

import pytest

from training.errors import SettingsError
from training.settings import parse_pairs, resolve


def test_each_layer_wins_over_the_one_before(line, tmp_path: Path) -> None:
    config = tmp_path / "line.toml"
    config.write_text("epochs = 30\nbatch_size = 4\n")
    settings = resolve(line, "full", config=config, pairs=["batch_size=2"])
    assert (settings.learning_rate, settings.epochs, settings.batch_size) == (0.05, 30, 2)


def test_a_profile_changes_what_its_table_says(line) -> None:
    assert [resolve(line, profile).epochs for profile in ("smoke", "quick", "full")] == [2, 6, 20]
    assert resolve(line, "smoke").profile == "smoke"


def test_a_misspelt_key_is_named_with_the_known_ones(line) -> None:
    with pytest.raises(SettingsError, match=r"unknown setting 'epoch' in --set; known are .*epochs.*seed"):
        resolve(line, "quick", pairs=["epoch=3"])


def test_a_misspelt_key_of_a_file_names_the_file(line, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text("learning_rte = 1.0\n")
    with pytest.raises(SettingsError, match=r"unknown setting 'learning_rte' in mine\.toml"):
        resolve(line, "quick", config=config)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("epochs=0", r"setting 'epochs': .*greater than 0, got 0"),
        ("epochs=many", r"setting 'epochs': .*valid integer.*, got 'many'"),
        ("learning_rate=nan", r"setting 'learning_rate': .*finite number"),
        ("seed=-1", r"setting 'seed': .*, got -1"),
    ],
)
def test_an_impossible_value_names_its_key(line, pair: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        resolve(line, "quick", pairs=[pair])


def test_the_profile_is_not_a_setting_of_a_file(line) -> None:
    with pytest.raises(SettingsError, match="chosen with --profile"):
        resolve(line, "quick", pairs=["profile=full"])


def test_a_broken_file_is_named(line, tmp_path: Path) -> None:
    config = tmp_path / "broken.toml"
    config.write_text("epochs = = 3")
    with pytest.raises(SettingsError, match=r"broken\.toml cannot be read: .*line 1"):
        resolve(line, "quick", config=config)
    with pytest.raises(SettingsError, match=r"absent\.toml cannot be read: No such file"):
        resolve(line, "quick", config=tmp_path / "absent.toml")


def test_a_value_is_toml_or_else_text() -> None:
    pairs = ["a=3", "b=0.5", "c=true", "d=[1, 2]", "e=digits.csv", "f=none", 'g="3"', "h=x=y"]
    expected = {"a": 3, "b": 0.5, "c": True, "d": [1, 2], "e": "digits.csv", "f": None, "g": "3", "h": "x=y"}
    assert parse_pairs(pairs) == expected


@pytest.mark.parametrize("pair", ["epochs", "=3"])
def test_a_pair_without_key_or_value_is_refused(pair: str) -> None:
    with pytest.raises(SettingsError, match="expected key=value"):
        parse_pairs([pair])


def test_settings_cannot_be_changed_afterwards(line) -> None:
    with pytest.raises(ValueError, match="frozen"):
        resolve(line, "quick").epochs = 7
