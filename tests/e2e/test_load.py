"""Real locust, from its own environment, on the real gateway: what it asks, what it counts as a failure, its verdict.

Locust patches its process and is not in the tests' environment: it runs as `make load` runs it.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loadtests import launching
from tests.e2e.conftest import ROOT, Server, free_ports
from tests.support import bundles

pytestmark = pytest.mark.slow

TEXTS = {"generate": ["ab", "hello."], "translate": ["the cat sees", "a big dog"]}
WIRES = {
    "classify shapes": {"tasks-rest", "tasks-grpc"},
    "score boxes": {"tasks-rest", "tasks-grpc"},
    "translate words": {"tasks-rest", "tasks-grpc"},
    "predict multiply": set(),
    "generate letters": {
        "tasks-rest", "tasks-rest-stream", "tasks-grpc", "tasks-grpc-stream",
        "openai", "openai-stream", "oip-text", "oip-text-stream",
    },
}  # fmt: skip
TENSOR_WIRES = {"predict-rest", "predict-grpc", "tfserving-rest", "tfserving-grpc", "oip-binary", "oip-grpc"}


@dataclass(frozen=True)
class Run:
    """A load test that has ended."""

    code: int
    output: str
    summary: dict[str, Any]

    def requests(self) -> dict[str, int]:
        """Return how often each series was asked, by transport, what it is of, word, model and wire."""
        return {each["name"]: each["requests"] for each in self.summary["series"]}


@dataclass(frozen=True)
class Loaded:
    """A gateway over tiny bundles, and their directory."""

    server: Server
    models: Path
    home: Path

    def arguments(self, *more: str) -> list[str]:
        """Return the arguments that every run has."""
        ports = self.server.ports
        return [
            f"--host=http://127.0.0.1:{ports['http_port']}",
            f"--grpc=127.0.0.1:{ports['grpc_port']}",
            f"--examples={self.home}",
            f"--models={self.models}",
            f"--html={self.home / 'load.html'}",
            "--only-summary",
            *more,
        ]

    def load(self, *more: str) -> Run:
        """Run `python -m loadtests load` to its end."""
        summary = self.home / "summary.json"
        summary.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "loadtests", "load", *self.arguments(f"--summary={summary}", *more)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        output = done.stdout + done.stderr
        assert summary.exists(), output
        return Run(done.returncode, output, json.loads(summary.read_text()))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    assert launching.LOCUST.is_file(), "make test installs .venv-load"
    models, home = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("home")
    bundles.write_classifier(models)
    bundles.write_generator(models)
    bundles.write_translator(models)
    bundles.write_scorer(models)
    bundles.write_multiply(models)
    (home / "texts.json").write_text(json.dumps(TEXTS))
    (home / "seven.png").write_bytes((ROOT / "examples/seven.png").read_bytes())
    with Server(models, "--engine-slots=8") as server:
        for name in ("shapes", "letters", "words", "boxes", "multiply"):
            server.wait_until_available(name)
        yield Loaded(server, models, home)


def test_every_word_on_every_wire_answers_right_within_a_generous_objective(loaded: Loaded) -> None:
    slo = "p99=20s,errors=0%,generate/grpc:first-token-p95=20s,rate=1/s"
    run = loaded.load(
        f"--slo={slo}",
        "--users=30",
        "--spawn-rate=30",
        "--run-time=5s",
        "--weights=tasks-rest-stream=4,tasks-grpc-stream=4",
    )
    assert run.code == 0, run.output
    assert run.summary["met"]
    assert run.summary["failures"] == 0
    assert [each["name"] for each in run.summary["objectives"]] == [
        "p99", "errors", "generate/grpc:first-token-p95", "rate",
    ]  # fmt: skip
    assert "Objectives" in run.output
    listed = {
        line.split("loadtests: ")[1].split(" (")[0]
        for line in run.output.splitlines()
        if " questions, " in line
    }
    assert listed == {f"{model} {wire}" for model, own in WIRES.items() for wire in own | TENSOR_WIRES}
    asked = run.requests()
    assert {name.rsplit(" ", 1)[0] for name in asked} >= {
        f"{transport} {model}" for model in WIRES for transport in ("REST", "gRPC")
    }
    firsts = {name: count for name, count in asked.items() if "first token" in name}
    assert {name.split()[0] for name in firsts} == {"REST", "gRPC"}
    assert all(name.endswith("-stream") for name in firsts)
    assert run.summary["requests"] == sum(asked.values()) - sum(firsts.values())
    report = (loaded.home / "load.html").read_text()
    assert "<html" in report
    assert "multiply" in report


def test_an_impossible_objective_is_missed_with_exit_code_1(loaded: Loaded) -> None:
    run = loaded.load(
        "--slo=multiply:p50=1us,errors=0%", "--users=2", "--run-time=1s", "--only=multiply/rest"
    )
    assert run.code == 1
    assert "MISSED" in run.output
    assert [each["met"] for each in run.summary["objectives"]] == [False, True]


def test_a_wrong_answer_is_a_failure_however_quick_it_is(loaded: Loaded, tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path, factor=3.0)  # the gateway's multiplies by 2
    run = loaded.load(
        "--slo=p99=20s", f"--models={tmp_path}", "--only=multiply/oip-binary,multiply/tfserving-grpc",
        "--users=2", "--run-time=1s",
    )  # fmt: skip
    assert run.code == 1
    assert 0 < run.summary["requests"] == run.summary["failures"]
    assert "wrong answer: 'y' is off by" in run.output


def test_a_master_and_a_worker_share_an_open_loop_that_a_shape_ends(loaded: Loaded) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "loadtests", "load", "--worker", f"--master-port={port}"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as worker:
        try:
            run = loaded.load(
                "--master",
                f"--master-bind-port={port}",
                "--master-bind-host=127.0.0.1",
                "--expect-workers=1",
                "--arrivals=poisson",
                "--user-rate=20",
                "--shape=steps:1,2:1s",
                "--slo=p99=20s",
                "--weights=rest=0",
            )
            told, _ = worker.communicate(timeout=30)
        finally:
            worker.kill()
    assert run.code == 0, run.output + told
    assert worker.returncode == 0, told
    assert "loop lateness load-generator" in run.requests()
    assert run.summary["lateness_p99_s"] is not None
    assert not any(name.startswith("REST") for name in run.requests())
    assert run.summary["requests"] > 10


def test_without_a_gateway_it_says_so_and_does_not_begin(loaded: Loaded) -> None:
    (port,) = free_ports(1)
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", "load", f"--host=http://127.0.0.1:{port}", "--html="],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "the load test cannot begin" in done.stdout + done.stderr


def test_the_capacity_table_has_a_rate_within_the_objective(loaded: Loaded) -> None:
    output = loaded.home / "capacity.md"
    ports = loaded.server.ports
    command = [
        sys.executable, "-m", "loadtests", "capacity", f"--host=http://127.0.0.1:{ports['http_port']}",
        f"--grpc=127.0.0.1:{ports['grpc_port']}", f"--models={loaded.models}", f"--examples={loaded.home}",
        "--only=multiply/oip-binary", "--slo=p99=20s", "--first=5", "--highest=10", "--trial-s=1", f"--output={output}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    row = next(line for line in output.read_text().splitlines() if "oip-binary" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")][:4] == [
        "predict",
        "multiply",
        "oip-binary",
        "10",
    ]
    assert "highest rate tried" in row
