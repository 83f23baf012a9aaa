"""The command: exit codes, and one clear line for every reason not to start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service import __version__
from service.app.listening import bind

FREE_PORTS = ("--http-port", "0", "--grpc-port", "0", "--operations-port", "0")


def finished(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def started(models: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command until it listens."""
    command = [sys.executable, "-m", "service", "--models", str(models), *FREE_PORTS, "--log-format", "json"]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert set(json.loads(process.stdout.readline())) == {
                "http_port",
                "grpc_port",
                "operations_port",
            }
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], event: str) -> None:
    """Read log lines until one tells of `event`."""
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line)["event"] == event:
            return
    raise AssertionError(f"the gateway ended without '{event}'")


def test_sigterm_drains_and_exits_with_0(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        read_until(process, "stopped")
        assert process.wait(timeout=20) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with started(tmp_path, "--drain-delay-s", "600") as process:
        process.send_signal(signal.SIGINT)
        read_until(process, "draining")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 1


def test_a_taken_port_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    with bind("http", "127.0.0.1", 0) as listening:
        port = str(listening.getsockname()[1])
        done = finished("--models", str(tmp_path), *FREE_PORTS, "--http-port", port)
    assert done.returncode == 1
    assert done.stderr == f"error: http.port: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    assert done.stdout == ""


def test_a_misspelt_variable_is_one_line_and_exit_code_2() -> None:
    done = finished(SLUICE_HTTP__PROT="1")
    assert done.returncode == 2
    assert (
        done.stderr
        == "error: unknown environment variable 'SLUICE_HTTP__PROT'; did you mean 'SLUICE_HTTP__PORT'?\n"
    )


def test_help_exits_with_0() -> None:
    done = finished("--help")
    assert done.returncode == 0
    assert "--models" in done.stdout


def test_a_model_config_file_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "model.config").write_text("model_config_list { config { name: 'x' base_path: 'x' } }")
    done = finished("--model_config_file", str(tmp_path / "model.config"), "--port=0", "--rest_api_port=0")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "error: repository.model_config_file (flag --model_config_file)"
    )
    assert "Traceback" not in done.stderr


def test_a_socket_that_cannot_be_had_is_one_clear_line(tmp_path: Path) -> None:
    done = finished(*FREE_PORTS, "--grpc_socket_path", str(tmp_path / "none" / "socket"))
    assert done.returncode == 1
    assert "error: grpc.socket_path: cannot listen on" in done.stderr


def test_the_version_is_told() -> None:
    done = finished("--version")
    assert (done.returncode, done.stdout) == (0, f"Sluice {__version__}\n")


def test_the_first_process_of_a_container_leaves_when_told_while_it_starts() -> None:
    """The kernel keeps from process 1 what it has no handler for; here the handler is what makes the code 0."""
    code = (
        "import os; from service.__main__ import leave_when_told; leave_when_told(); os.kill(os.getpid(), 15)"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=20, check=False)
    assert done.returncode == 0
