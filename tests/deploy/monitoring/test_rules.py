"""Prometheus' own tool reads the rules and runs their tests."""

import subprocess

import pytest

from tests.support.prometheus import CONFIGURATION, program

pytestmark = pytest.mark.slow


def promtool(*arguments: str) -> str:
    done = subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_sound() -> None:
    files = sorted(map(str, (CONFIGURATION / "rules").glob("*.yaml")))
    assert promtool("check", "rules", *files).count("SUCCESS") == len(files) >= 3


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    files = sorted(map(str, (CONFIGURATION / "tests").glob("*.yaml")))
    assert promtool("test", "rules", *files).count("SUCCESS") == len(files) >= 3
