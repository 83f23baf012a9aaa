"""What a comparison varies: read, resolved by the job's own settings, and refused before anything is trained."""

import pytest

from training.errors import SettingsError
from training.variation import Layers, parse, trials

QUICK = Layers("quick")


def test_each_combination_is_tried_with_each_seed(line) -> None:
    groups = trials(line, parse(["batch_size=8,16", "learning_rate=0.1,0.01"]), QUICK, seeds=3)
    assert [dict(group[0].chosen) for group in groups] == [
        {"batch_size": "8", "learning_rate": "0.1"},
        {"batch_size": "8", "learning_rate": "0.01"},
        {"batch_size": "16", "learning_rate": "0.1"},
        {"batch_size": "16", "learning_rate": "0.01"},
    ]
    assert [trial.settings.seed for trial in groups[0]] == [1, 2, 3]
    assert groups[3][0].settings == line.settings(batch_size=16, learning_rate=0.01)


def test_seeds_count_up_from_the_one_that_is_set(line) -> None:
    (group,) = trials(line, parse(["epochs=2"]), Layers("quick", pairs=["seed=7"]), seeds=2)
    assert [trial.settings.seed for trial in group] == [7, 8]


def test_a_comma_in_brackets_parts_no_values() -> None:
    (found,) = parse(["hidden=[16, 8],[32],none"])
    assert found.values == {"[16, 8]": [16, 8], "[32]": [32], "none": None}


def test_names_are_readable_and_as_different_as_the_settings(line) -> None:
    def names(*pairs: str) -> set[str]:
        groups = trials(line, parse(["learning_rate=0.1,0.01"]), Layers("quick", pairs=pairs), seeds=2)
        return {trial.name for group in groups for trial in group}

    assert len(names() | names("epochs=9")) == 8
    assert any(name.startswith("learning_rate-0.01-seed-2-") for name in names())


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "nothing is varied; expected --vary key=value,value"),
        (["units"], "--vary units: expected key=value,value"),
        (["units="], "--vary units=: expected key=value,value"),
        (["units=1,,2"], "a value between commas is empty"),
        (["units=1,1"], "the value 1 is there twice"),
        (["units=1", "units=2"], "--vary has 'units' twice"),
        (["seed=1,2"], "'seed' is not varied with --vary: --seeds says how many"),
        (["data=a,b"], "'data' is not varied with --vary: all are trained on the same"),
    ],
)
def test_what_cannot_be_read_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(texts)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["unit=1,2"], "unit=1: unknown setting 'unit' in --vary; known are"),
        (["batch_size=8,many"], "batch_size=many: setting 'batch_size': input should be a valid integer"),
        (["profile=quick,full"], "a profile is chosen with --profile"),
        (["learning_rate=0.1,1e-1"], "learning_rate=0.1 and learning_rate=1e-1 are the same"),
        ([f"epochs={','.join(map(str, range(1, 502)))}"], "1002 trainings are asked for"),
    ],
)
def test_what_the_settings_of_the_job_refuse_is_refused(line, texts: list[str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        trials(line, parse(texts), QUICK, seeds=2)
    assert message in str(refused.value)
