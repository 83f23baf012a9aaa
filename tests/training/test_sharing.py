"""Batches shared by the devices of one machine, in a process of their own.

TensorFlow's distributed iterators have ended a process in which much else had used TensorFlow before.
"""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).with_name("sharing_checks.py")


@pytest.mark.slow
def test_the_devices_of_a_machine_share_batches() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CHECKS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
