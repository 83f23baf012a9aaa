"""The benchmark itself: it asks every wire, compares the answers with the graph's own, and prints its tables."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from loadtests import generators
from loadtests.network import FEATURES
from loadtests.tables import Row, Slice
from loadtests.wires import wires
from tests.support import bundles

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_every_wire_has_its_row_and_so_has_a_model_that_generates(tmp_path: Path) -> None:
    bundles.write_generator(tmp_path, alphabet=bundles.ALPHABET + "T")
    command = [
        sys.executable,
        "-m",
        "loadtests.bench",
        "--seconds=0.05",
        "--repeats=1",
        f"--models={tmp_path}",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.replace("│", " ").split())
    for wire in wires("network"):
        assert wire.name.split()[0] in words
    assert "letters, 32 tokens a request" in words
    assert words.count("bare session.run") == 2


def test_every_wire_asks_in_bytes_and_only_binary_data_need_a_header() -> None:
    row = np.zeros((1, FEATURES), np.float32)
    asked = {wire.name: (wire, wire.encode(row)) for wire in wires("network")}
    assert len(asked) == 7
    needing = {name for name, (wire, body) in asked.items() if wire.headers(body)}
    assert needing == {"Open Inference, binary"}
    wire, body = asked["Open Inference, binary"]
    (length,) = wire.headers(body).values()
    assert body[: int(length)].endswith(b"}")


def test_the_newest_version_of_a_model_that_generates_is_found(tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path, name="aaa")
    assert generators.find(tmp_path) is None
    for version in (2, 10):
        bundles.write_generator(tmp_path, version=version)
    found = generators.find(tmp_path)
    assert found is not None
    assert (found.name, found.directory, found.step.name) == (
        "letters",
        tmp_path / "letters/10",
        "model.onnx",
    )


def test_a_row_tells_medians() -> None:
    slices = [Slice(per_second, 1.0) for per_second in (1.0, 50.0, 2.0)]
    assert Row("x", "1", slices).median("per_second") == 2.0
