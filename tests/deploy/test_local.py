"""What `make serve` does when it cannot start."""

import socket
import subprocess
import sys
from pathlib import Path


def test_a_port_that_is_taken_ends_the_start_before_anything_is_trained(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "deploy.local", "--models", str(tmp_path / "models")]
        command += ["--runs", str(tmp_path / "runs"), "--http-port", port, "--operations-port", "0"]
        done = subprocess.run(
            [*command, "--grpc-port", "0"], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert f"http.port: cannot listen on 127.0.0.1:{port}" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_misspelt_flag_starts_nothing() -> None:
    command = [sys.executable, "-m", "deploy.local", "--http-prot", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--http-port" in done.stderr
