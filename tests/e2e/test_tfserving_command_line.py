"""The real process, started as a TensorFlow Serving is started, and driven by its official client."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Server, free_ports
from tests.support import bundles

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
KEY = "correct-horse-battery"
EXAMPLES = {
    "method": "classify", "signature": "classify", "output": "probabilities",
    "inputs": {"row": [{"name": "all", "shape": [4]}]}, "labels": ["first", "second", "third"],
}  # fmt: skip


def model_config(home: Path, *, doubles: bool = True) -> str:
    listed = [
        f"config {{ name: 'tens' base_path: '{home}/second/tens' model_platform: 'tensorflow' }}",
        f"config {{ name: 'rows' base_path: '{home}/second/rows' model_platform: 'tensorflow' }}",
        f"config {{ name: 'broken' base_path: '{home}/second/broken' model_platform: 'tensorflow' }}",
    ]
    if doubles:
        listed.append(
            f"config {{ name: 'doubles' base_path: '{home}/first/multiply' model_platform: 'tensorflow'"
            " model_version_policy { specific { versions: 1 versions: 2 } }"
            " version_labels { key: 'stable' value: 1 } version_labels { key: 'canary' value: 2 } }"
        )
    return f"model_config_list {{ {' '.join(listed)} }}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tensorflow-serving")
    bundles.write_multiply(home / "first")
    bundles.write_multiply(home / "first", version=2, factor=3.0)
    bundles.write_multiply(home / "second", name="tens", version=7, factor=10.0)
    bundles.write_multiply(home / "second", name="broken", fault="missing")
    rows = bundles.write_feature_classifier(home / "second") / "manifest.json"
    rows.write_text(json.dumps({**json.loads(rows.read_text()), "examples": [EXAMPLES]}))
    (home / "model.config").write_text(model_config(home))
    (home / "monitoring.config").write_text("prometheus_config { enable: true }")
    (home / "batching.config").write_text("max_batch_size { value: 8 } num_batch_threads { value: 4 }")
    (home / "key").write_text(KEY)
    return home


def started(*flags: str, **environment: str) -> Server:
    """Return a process with their flags and environment alone, on free ports."""
    rest, rpc = free_ports(2)
    ports = (f"--port={rpc}", "-rest_api_port", str(rest), "--operations-port=0", "--log-format=json")
    return Server(None, *ports, *flags, environment=environment)


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    with started(
        f"--model_config_file={home / 'model.config'}", "--model_config_file_poll_wait_seconds=0.05",
        f"--monitoring_config_file={home / 'monitoring.config'}", "--file_system_poll_wait_seconds", "1",
        "--enable_batching", f"--batching_parameters_file={home / 'batching.config'}",
        "--allow_version_labels_for_unavailable_models=true", "--rest_api_num_threads=8",
        "--admin-enabled=true", f"--admin-key-file={home / 'key'}", "--grpc-max-message-bytes=100000",
    ) as server:  # fmt: skip
        server.wait_for(lambda: server.operations.get("/readyz").status_code == 200)
        yield server


@pytest.mark.slow
def test_the_official_client_changes_what_is_served(server: Server, home: Path) -> None:
    given = (server.ports["http_port"], server.ports["grpc_port"], home / "first", home / "second", KEY)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [PYTHON, ROOT / "tests" / "clients" / "tfserving_reload.py", *map(str, given)],
        capture_output=True, text=True, timeout=120, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert KEY not in server.log()


def available(server: Server) -> set[str]:
    models = server.operations.get("/readyz").json()["models"]
    return {each["name"] for each in models if each["state"] == "available"}


def test_a_model_config_file_that_changes_is_followed_and_one_that_breaks_changes_nothing(
    server: Server, home: Path
) -> None:
    assert available(server) == {"tens", "rows", "doubles"}
    try:
        (home / "model.config").write_text("model_config_list {")
        server.wait_for(lambda: "model_config_unusable" in server.log())
        assert available(server) == {"tens", "rows", "doubles"}
        (home / "model.config").write_text(model_config(home, doubles=False))
        server.wait_for(lambda: available(server) == {"tens", "rows"})
    finally:
        (home / "model.config").write_text(model_config(home))
    server.wait_for(lambda: available(server) == {"tens", "rows", "doubles"})


def test_the_log_says_what_has_no_effect(server: Server) -> None:
    notes = [json.loads(line) for line in server.log().splitlines() if '"without_effect"' in line]
    assert [note["note"].split(":")[0] for note in notes] == [
        "in --batching_parameters_file, num_batch_threads and thread_pool_name",
        "--rest_api_num_threads has no effect",
    ]


def predicted(server: Server, name: str) -> Any:
    return server.http.post(f"/v1/models/{name}:predict", json={"instances": [[1, 2, 3, 4]]})


def test_a_compose_entry_of_its_image_needs_no_flags(home: Path, tmp_path: Path) -> None:
    socket = tmp_path / "grpc.sock"
    environment = {"MODEL_NAME": "tens", "MODEL_BASE_PATH": str(home / "second")}
    with started(f"--grpc_socket_path={socket}", **environment) as server:
        server.wait_until_available("tens", 7)
        assert predicted(server, "tens").json() == {"predictions": [[10, 20, 30, 40]]}
        assert predicted(server, "rows").status_code == 404
        assert socket.is_socket()
        assert server.http.get("/monitoring/prometheus/metrics").status_code == 404
        assert server.stop() == 0


def test_what_cannot_be_obeyed_ends_the_start_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service", "--model_base_path=/m", "--ssl_config_file=/x"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: flag --ssl_config_file: TLS is not served")
