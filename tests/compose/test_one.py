"""One gateway and Prometheus: what works after `docker compose up`, and what comes back after a fall."""

import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.compose.stack import Stack, run, wait_for
from tests.e2e.conftest import ROOT, Newcomer
from tests.e2e.test_newcomer import CURLS, blocks
from tests.support.panels import Prometheus

pytestmark = pytest.mark.engine

BACK_WITHIN_S = 30.0
ASKED = {"model": "prose-lstm", "prompt": "The ", "max_tokens": 5}
RULE_WITHIN_S = 60.0
TOO_LITTLE = "48m"


@pytest.fixture(scope="module")
def reader(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """Somebody who tries the README's calls."""
    ports = {"8000": stack.ports["REST"], "8001": stack.ports["GRPC"], "8002": stack.ports["OPERATIONS"]}
    return Newcomer(tmp_path_factory.mktemp("reader"), ports)


def firing(stack: Stack) -> Callable[[], set[str]]:
    """Return what tells the instances for which an alert fires."""
    return lambda: set(stack.query('ALERTS{alertname="GatewayDown", alertstate="firing"}'))


def test_the_stack_is_healthy_and_the_training_has_ended_well(stack: Stack) -> None:
    wait_for(lambda: stack.inspect("train")["State"]["Status"] == "exited", BACK_WITHIN_S)
    assert stack.inspect("train")["State"]["ExitCode"] == 0
    for service in ("gateway", "prometheus"):
        wait_for(lambda service=service: stack.health(service) == "healthy", BACK_WITHIN_S)
        assert stack.inspect(service)["RestartCount"] == 0


@pytest.mark.parametrize("command", CURLS, ids=lambda block: re.search(r"/v1/(\w+)", block)[1])  # type: ignore[index]
def test_every_word_answers_over_rest(reader: Newcomer, command: str) -> None:
    answer = reader.run(["bash", "-c", reader.here(command)])
    assert "[DONE]" in answer if "stream" in command else '"model"' in answer


def test_every_word_answers_over_grpc(reader: Newcomer) -> None:
    (block,) = blocks("python")
    printed = reader.run([sys.executable, "-c", reader.here(block)])
    assert len(printed.splitlines()) >= 6


def test_a_short_load_on_every_word_is_answered_right_and_within_its_objective(
    stack: Stack, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "loadtests", "load", "--only-summary", "--users=10", "--run-time=8s"]
    command += [f"--host={stack.url('REST', '')}", f"--grpc=127.0.0.1:{stack.ports['GRPC']}"]
    command += [f"--html={tmp_path / 'load.html'}", "--slo=p99=20s,errors=0%"]
    done = run(command, cwd=ROOT)
    assert "Objectives" in done
    assert (tmp_path / "load.html").exists()


def test_prometheus_reports_the_gateway_up_and_counts_its_requests(stack: Stack) -> None:
    wait_for(lambda: stack.query('up{job="gateway"}') == {"gateway:8002": 1.0}, BACK_WITHIN_S)
    assert wait_for(lambda: stack.query("sum by (instance) (sluice_tokens_total) > 0"), BACK_WITHIN_S)


def test_the_gateway_knows_its_memory_limit(stack: Stack) -> None:
    limit = stack.inspect("gateway")["HostConfig"]["Memory"]
    assert stack.query("sluice_memory_limit_bytes") == {"gateway:8002": limit}


def test_every_panel_of_the_dashboards_has_numbers(stack: Stack, reader: Newcomer) -> None:
    models = {"sluice-model": "english-french", "sluice-generation": "prose-lstm"}
    with closing(Prometheus(stack.url("PROMETHEUS", ""))) as prometheus:

        def drawn() -> bool:
            for command in CURLS:
                reader.run(["bash", "-c", reader.here(command)])
            empty = prometheus.empty_panels(models, "1m", quiet=False)
            assert not empty, empty
            return True

        # Rates over days are worked out once a minute.
        wait_for(drawn, 120, pause_s=2)


def test_a_crash_is_followed_by_a_restart(stack: Stack) -> None:
    before = stack.inspect("gateway")
    # From outside: within its container nobody can kill the first process.
    os.kill(before["State"]["Pid"], signal.SIGKILL)
    wait_for(lambda: stack.inspect("gateway")["RestartCount"] == before["RestartCount"] + 1, BACK_WITHIN_S)
    wait_for(lambda: stack.health("gateway") == "healthy", BACK_WITHIN_S)
    assert stack.post("generate", ASKED)["usage"]["completion_tokens"] == 5


def test_running_out_of_memory_raises_an_alert_and_a_restart_resolves_it(stack: Stack) -> None:
    container = stack.container("gateway")
    before = stack.inspect("gateway")
    assert firing(stack)() == set()
    limit = before["HostConfig"]["Memory"]
    run(["docker", "stop", container])
    run(["docker", "update", "--memory", TOO_LITTLE, "--memory-swap", TOO_LITTLE, container])
    run(["docker", "start", container])
    wait_for(lambda: stack.inspect("gateway")["RestartCount"] >= 2, BACK_WITHIN_S)
    # While it waits for its next start, the engine tells how the last one ended: by the kernel.
    wait_for(lambda: stack.inspect("gateway")["State"]["ExitCode"] == 128 + signal.SIGKILL, BACK_WITHIN_S)
    wait_for(lambda: firing(stack)() == {"gateway:8002"}, RULE_WITHIN_S)
    run(["docker", "update", "--memory", str(limit), "--memory-swap", str(limit), container])
    wait_for(lambda: stack.health("gateway") == "healthy", BACK_WITHIN_S * 2)
    wait_for(lambda: firing(stack)() == set(), RULE_WITHIN_S)
    assert httpx.get(stack.url("REST", "/v1/models"), timeout=10).status_code == 200
