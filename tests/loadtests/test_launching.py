"""How locust is started: what the caller says goes before what is usual."""

from pathlib import Path

import pytest

from loadtests import launching


def test_the_usual_settings_are_beneath_those_of_the_caller() -> None:
    found = launching.environment(["--slo=p99=1s"], {"LOCUST_USERS": "3", "PATH": "/bin"})
    assert found["LOCUST_USERS"] == "3"
    assert found["LOCUST_RUN_TIME"] == launching.USUAL["LOCUST_RUN_TIME"]
    assert found["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("arguments", "given"),
    [(["--shape", "soak:5:1h"], {}), (["--shape=soak:5:1h"], {}), ([], {"LOCUST_SHAPE": "soak:5:1h"})],
)
def test_a_shape_says_itself_when_it_is_over(arguments: list[str], given: dict[str, str]) -> None:
    assert "LOCUST_RUN_TIME" not in launching.environment(arguments, given)


def test_a_worker_is_told_everything_by_its_master() -> None:
    assert launching.environment(["--worker"], {"PATH": "/bin"}) == {"PATH": "/bin"}


def test_what_is_missing_is_said_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launching, "LOCUST", tmp_path / "locust")
    with pytest.raises(launching.MissingError, match=r"make \.venv-load/load"):
        launching.run([])
