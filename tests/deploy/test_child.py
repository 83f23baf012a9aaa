"""What a process says, how it ends, and that it need not load TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.child import Child

SAYS = """
import os, sys
print("out", *sys.argv[1:])
print(os.environ["SLUICE_TOLD"], file=sys.stderr)
if sys.argv[1] == "refused":
    raise SystemExit("error: refused")
if sys.argv[1] == "waits":
    sys.stdout.flush()
    sys.stdin = open(os.pipe()[0])
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sluice_says.py").write_text(SAYS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SLUICE_TOLD", "told")


def test_a_module_gets_its_arguments_and_environment_and_both_its_outputs_are_heard() -> None:
    child = Child("sluice_says", ["one", "--two"])
    assert sorted(child.lines()) == ["out one --two\n", "told\n"]
    assert child.wait() == 0


def test_what_a_module_says_when_it_gives_up_comes_before_its_exit_code() -> None:
    child = Child("sluice_says", ["refused"])
    assert "error: refused\n" in child.lines()
    assert child.wait() == 1


def test_a_module_can_be_ended() -> None:
    child = Child("sluice_says", ["waits"])
    lines = child.lines()
    assert next(lines) in {"out waits\n", "told\n"}
    child.terminate()
    list(lines)
    assert child.wait() == -15


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies processes")
def test_a_child_has_tensorflow_from_the_start_and_still_chooses_its_threads(tmp_path: Path) -> None:
    (tmp_path / "sluice_asks.py").write_text(
        "import os, sys\n"
        "print('tensorflow' in sys.modules)\n"
        "os.environ['TF_NUM_INTRAOP_THREADS'] = '1'\n"
        "import tensorflow as tf\n"
        "print(tf.reduce_sum(tf.random.stateless_normal([300, 300], [1, 2]) @ tf.ones([300, 1])).shape.rank)\n"
    )
    code = "from deploy.child import Child; child = Child('sluice_asks', []); print(list(child.lines()), child.wait())"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert found.stdout == "['True\\n', '0\\n'] 0\n"
