"""The measurement of what tracing costs: every gateway has its line."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_gateways_without_tracing_and_with_it_have_their_lines() -> None:
    command = [sys.executable, "-m", "loadtests.tracing", "--seconds=0.05", "--repeats=1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("off", "sample_ratio 0 ", "sample_ratio 0.01", "sample_ratio 1 "):
        assert name in done.stdout
