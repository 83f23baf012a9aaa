"""Admin calls against the real process: refused through every way in, unless switched on and shown the key."""

import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import grpc
import httpx
import pytest

from pb import oip_pb2, tfserving_pb2
from tests.e2e.conftest import Server
from tests.support import bundles

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
KEY = "0123456789-abcdef"
SHOWN = {"authorization": f"Bearer {KEY}"}
ASK = {"model": "multiply", "inputs": {"x": [[1, 2, 3, 4]]}}

CALLS = {
    "http_port": [
        "POST /v2/repository/models/multiply/load",
        "POST /v2/repository/models/multiply/unload",
    ],
    "operations_port": [
        "POST /admin/models/multiply/load",
        "POST /admin/models/multiply/unload",
        "POST /admin/reload",
        "PUT /admin/models/multiply/labels/stable",
        "DELETE /admin/models/multiply/labels/stable",
    ],
}
"""Every admin call over HTTP, as it is documented."""

ALIASES = {
    "http_port": [
        "POST /v2/repository/models/multiply/unload/",
        "POST /v2/repository/models/multiply/unload?x=1",
        "POST /v2/repository/models/multiply/unload;x",
        "POST /v2//repository/models/multiply/unload",
        "POST //v2/repository/models/multiply/unload",
        "POST /./v2/repository/models/multiply/unload",
        "POST /v1/../v2/repository/models/multiply/unload",
        "POST /V2/repository/models/multiply/unload",
        "POST /v2/Repository/Models/multiply/Unload",
        "POST /v2/repository/models/multiply/%75nload",
        "POST /v2/repository%2Fmodels/multiply/unload",
        "POST /v2/repository/models/multiply/versions/1/unload",
        "POST /v2/repository/main/models/multiply/unload",
        "POST /v2/models/multiply/unload",
        "GET /v2/repository/models/multiply/unload",
        "PUT /v2/repository/models/multiply/unload",
        "DELETE /v2/models/multiply",
        "POST http://elsewhere/v2/repository/models/multiply/unload",
        "POST /admin/models/multiply/unload",
        "POST /admin/reload",
        "PUT /admin/models/multiply/labels/stable",
        "POST /v1/models/multiply:unload",
        "POST /v1/models/multiply/unload",
        "DELETE /v1/models/multiply",
        "PUT /v1/models/multiply",
        "POST /v1/models",
        "POST /v1/config",
        "POST /models?url=http://127.0.0.1/x",
        "DELETE /models/multiply",
        "POST /v1/load_lora_adapter",
        "POST /v1/unload_lora_adapter",
        "POST /v2/shutdown",
        "POST /quitquitquit",
        "POST /start_profile",
        "POST /sleep",
        "POST /reset_prefix_cache",
    ],
    "operations_port": [
        "POST /admin/models/multiply/unload/",
        "POST //admin/models/multiply/unload",
        "POST /Admin/models/multiply/unload",
        "POST /admin/models/multiply/%75nload",
        "GET /admin/models/multiply/unload",
        "POST /v2/repository/models/multiply/unload",
        "POST /metrics",
        "POST /readyz",
    ],
}
"""Other ways to write them, and what other servers call theirs."""

RPCS = {
    "/inference.GRPCInferenceService/RepositoryModelLoad": oip_pb2.RepositoryModelLoadRequest(
        model_name="multiply"
    ),
    "/inference.GRPCInferenceService/RepositoryModelUnload": oip_pb2.RepositoryModelUnloadRequest(
        model_name="multiply"
    ),
    "/tensorflow.serving.ModelService/HandleReloadConfigRequest": tfserving_pb2.ReloadConfigRequest(),
}
NO_RPCS = [
    "/inference.grpcinferenceservice/repositorymodelunload",
    "/inference.GRPCInferenceService/RepositoryModelUnload/",
    "//inference.GRPCInferenceService/RepositoryModelUnload",
    "/inference.model_repository.ModelRepositoryService/RepositoryModelUnload",
    "/tensorflow.serving.SessionService/SessionRun",
    "/tensorflow.ProfilerService/Profile",
]
OVERRIDES = {
    "X-HTTP-Method-Override": "POST",
    "X-Original-URL": "/admin/reload",
    "X-Forwarded-For": "127.0.0.1",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("admin")
    bundles.write_multiply(models)
    bundles.write_multiply(models, name="broken", fault="missing")
    return models


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("key") / "admin-key"
    file.write_text(KEY + "\n")
    return file


@pytest.fixture(scope="module")
def guarded(models: Path, key_file: Path) -> Iterator[Server]:
    """A server whose admin calls are switched on."""
    flags = (
        "--admin-enabled=true",
        f"--admin-key-file={key_file}",
        "--repository-policies",
        '{"labelled":"all"}',
    )
    with Server(models, *flags) as server:
        server.wait_until_available("multiply")
        yield server


def status_of(port: int, asked: str, headers: dict[str, str]) -> int:
    """Send a request as it is written, and return the status of the answer."""
    method, target = asked.split(" ", 1)
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", "Content-Length: 14"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", '{"version": 1}']).encode())
        return int(connection.makefile("rb").readline().split()[1])


def code_of(server: Server, method: str, message: bytes, metadata: tuple[tuple[str, str], ...]) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        server.channel.unary_unary(method)(message, metadata=metadata, timeout=20)
    code: str = raised.value.code().name
    return code


def assert_as_before(server: Server) -> None:
    assert server.versions("multiply")[1]["state"] == "available"
    assert server.versions("multiply")[1]["labels"] == []
    assert server.post("predict", ASK).status_code == 200


def test_switched_off_every_admin_call_is_forbidden_even_with_a_key(untouched: Server) -> None:
    for port, calls in CALLS.items():
        for asked in calls:
            for headers in ({}, SHOWN):
                assert status_of(untouched.ports[port], asked, headers) == 403, asked
    for method, message in RPCS.items():
        for metadata in ((), tuple(SHOWN.items())):
            code = code_of(untouched, method, message.SerializeToString(), metadata)
            assert code == "PERMISSION_DENIED", method
    assert_as_before(untouched)


def test_switched_on_every_admin_call_needs_the_key(guarded: Server) -> None:
    wrong = {"authorization": f"Bearer {KEY}x"}
    for port, calls in CALLS.items():
        for asked in calls:
            for headers in ({}, wrong, {"authorization": KEY}, {"x-api-key": KEY}):
                assert status_of(guarded.ports[port], asked, headers) == 401, asked
    for method, message in RPCS.items():
        for metadata in ((), tuple(wrong.items())):
            code = code_of(guarded, method, message.SerializeToString(), metadata)
            assert code in {"UNAUTHENTICATED", "PERMISSION_DENIED"}, method
    assert_as_before(guarded)


@pytest.mark.parametrize("switched", ["off", "on"])
def test_no_other_way_to_write_an_admin_call_is_a_way_around(
    switched: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue("untouched" if switched == "off" else "guarded")
    for port, calls in ALIASES.items():
        for asked in calls:
            status = status_of(server.ports[port], asked, OVERRIDES)
            assert status in {400, 401, 403, 404, 405}, (asked, status)
    for method in NO_RPCS:
        message = RPCS["/inference.GRPCInferenceService/RepositoryModelUnload"].SerializeToString()
        assert code_of(server, method, message, tuple(SHOWN.items())) == "UNIMPLEMENTED", method
    assert_as_before(server)


def test_an_http_1_0_request_without_a_host_is_no_way_around(guarded: Server) -> None:
    with socket.create_connection(("127.0.0.1", guarded.ports["http_port"]), timeout=20) as connection:
        connection.sendall(b"POST /v2/repository/models/multiply/unload HTTP/1.0\r\n\r\n")
        assert connection.makefile("rb").readline().split()[1] == b"401"
    assert_as_before(guarded)


def test_tritons_clients_load_and_unload_with_the_key(guarded: Server) -> None:
    ports = [str(guarded.ports["http_port"]), str(guarded.ports["grpc_port"])]
    done = subprocess.run(
        [str(PYTHON), str(ROOT / "tests" / "clients" / "tritonclient_admin.py"), *ports, KEY],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{guarded.log()}"
    assert_as_before(guarded)


def test_an_unloaded_model_stays_away_while_the_disk_is_polled_until_it_is_loaded(guarded: Server) -> None:
    unloaded = guarded.operations.post("/admin/models/multiply/unload", headers=SHOWN)
    assert unloaded.json() == {
        "models": [
            {"name": "multiply", "version": 1, "state": "unloaded", "labels": [], "reason": "unloaded"}
        ]
    }
    for _ in range(2):
        assert guarded.operations.post("/admin/reload", headers=SHOWN).status_code == 200
    refused = guarded.post("predict", ASK)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert guarded.operations.get("/readyz").status_code == 200
    loaded = guarded.operations.post("/admin/models/multiply/load", headers=SHOWN)
    assert loaded.json()["models"][0]["state"] == "available"
    assert_as_before(guarded)


class Asking:
    """Asks for a label without a pause, in a thread, and keeps each status and first number."""

    def __init__(self, server: Server) -> None:
        self._url = str(server.http.base_url)
        self._answered, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.statuses: set[int] = set()
        self.changes: list[float] = []

    def _ask(self) -> None:
        body = {"model": "labelled", "label": "stable", "inputs": {"x": [[1, 1, 1, 1]]}}
        with httpx.Client(base_url=self._url, timeout=20) as client:
            while not self._end.is_set():
                response = client.post("/v1/predict", json=body)
                self.statuses.add(response.status_code)
                answer = response.json()["outputs"]["y"][0][0]
                if self.changes[-1:] != [answer]:
                    self.changes.append(answer)
                self._answered.set()

    def wait(self) -> None:
        """Return when a request that is sent from now on has been answered."""
        for _ in range(2):
            self._answered.clear()
            assert self._answered.wait(20)

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def test_a_label_moves_between_two_requests_and_never_to_a_bad_version(guarded: Server, models: Path) -> None:
    for version in (1, 2):
        bundles.write_multiply(models, name="labelled", version=version, factor=version)
    bundles.write_multiply(models, name="labelled", version=3, fault="checksum")
    label = "/admin/models/labelled/labels/stable"
    reloaded = guarded.operations.post("/admin/reload", headers=SHOWN).json()["models"]
    states = [each["state"] for each in reloaded if each["name"] == "labelled"]
    assert states == ["available", "available", "failed"]

    def put(version: int) -> httpx.Response:
        return guarded.operations.put(label, headers=SHOWN, json={"version": version})

    assert put(1).status_code == 200
    with Asking(guarded) as asking:
        for version in (2, 1, 2):
            assert put(version).status_code == 200
            asking.wait()
        refused = put(3)
        asking.wait()
    assert refused.status_code == 400
    assert "checksum" in refused.json()["error"]["message"]
    assert asking.statuses == {200}
    assert asking.changes == [1, 2, 1, 2]
    assert guarded.operations.delete(label, headers=SHOWN).status_code == 200
    assert guarded.operations.delete(label, headers=SHOWN).status_code == 404


def test_every_call_of_the_page_about_them_is_answered(guarded: Server, key_file: Path) -> None:
    page = (ROOT / "docs" / "admin.md").read_text(encoding="utf-8").replace("digits-cnn", "multiply")
    for told, name in (("8000", "http_port"), ("8002", "operations_port")):
        page = page.replace(f"localhost:{told}", f"127.0.0.1:{guarded.ports[name]}")
    commands = re.findall(r"```bash\n(.*?)```", page, flags=re.DOTALL)
    assert len(commands) == len(CALLS["operations_port"]) + 1
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=key_file.parent,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert "error" not in json.loads(done.stdout), command
    assert_as_before(guarded)


def test_neither_the_log_nor_an_answer_has_the_key(guarded: Server) -> None:
    refused = guarded.operations.post("/admin/reload", headers={"authorization": f"Bearer {KEY}x"})
    assert KEY not in refused.text
    guarded.operations.post("/admin/reload", headers=SHOWN)
    guarded.wait_for(lambda: '"admin_call"' in guarded.log())
    assert KEY not in guarded.log()
