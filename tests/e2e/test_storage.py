"""The gateway over models that lie in a store: a server of S3's API, and plain HTTP."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.bundle import MANIFEST, write_index
from tests.e2e.conftest import ROOT, Server
from tests.support import bundles
from tests.support.pages import Pages

pytestmark = pytest.mark.slow
CLIENTS = ROOT / ".venv-clients" / "bin" / "python"
SECRET = "geheim/geheim+geheim"  # noqa: S105  # it must be seen nowhere
ASK = {"model": "multiply", "inputs": {"x": [[1, 2, 3, 4]]}}


class Bucket:
    """A bucket on a server of S3's API, in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [CLIENTS, str(ROOT / "tests" / "clients" / "s3_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.endpoint = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        # It asks for no particular key, but who deletes has to show some.
        shown = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
        self._http = httpx.Client(base_url=self.endpoint, headers={"authorization": shown})
        self._http.put("/bucket").raise_for_status()

    def put(self, directory: Path, place: str) -> None:
        """Upload a version, its manifest last."""
        for path in sorted(directory.rglob("*"), key=lambda path: path.name == MANIFEST):
            if path.is_file():
                self.write(f"{place}/{path.relative_to(directory)}", path.read_bytes())

    def write(self, path: str, content: bytes) -> None:
        """Upload a file."""
        self._http.put(f"/bucket/{path}", content=content).raise_for_status()

    def remove(self, directory: Path, place: str) -> None:
        """Delete a version, its manifest first."""
        for path in sorted(directory.rglob("*"), key=lambda path: path.name != MANIFEST):
            if path.is_file():
                self._http.delete(f"/bucket/{place}/{path.relative_to(directory)}").raise_for_status()

    def close(self) -> None:
        """End the server, as a crash would."""
        self._http.close()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    bucket = Bucket()
    yield bucket
    bucket.close()


def answer(server: Server) -> list[list[float]]:
    """Return what the model answers."""
    outputs: list[list[float]] = server.post("predict", ASK).raise_for_status().json()["outputs"]["y"]
    return outputs


def flags(cache: Path) -> tuple[str, ...]:
    return (
        f"--models-cache={cache}",
        "--repository-remote-poll-s=0.1",
        "--repository-remote-timeout-s=5",
        "--log-level=debug",
    )


def follow(server: Server, bucket: Bucket, made: Path) -> None:
    """See a version come, a bad one fail, and one go."""
    second, bad = (bundles.write_multiply(made, version=version, factor=version + 1) for version in (2, 3))
    server.wait_until_available("multiply")
    assert answer(server) == [[2, 4, 6, 8]]
    bucket.put(second, "models/multiply/2")
    server.wait_until_available("multiply", 2)
    assert answer(server) == [[3, 6, 9, 12]]
    bucket.write("models/multiply/3/model.onnx", (bad / "model.onnx").read_bytes()[:-1] + b"!")
    (bad / "model.onnx").unlink()
    bucket.put(bad, "models/multiply/3")
    failed = server.wait_for(lambda: server.versions("multiply").get(3, {}).get("reason"))
    assert failed == "file 'model.onnx' does not match its checksum"
    assert answer(server) == [[3, 6, 9, 12]]
    bucket.remove(second, "models/multiply/2")
    server.wait_until_available("multiply", 1)
    server.wait_for(lambda: 2 not in server.versions("multiply"))
    assert answer(server) == [[2, 4, 6, 8]]


def test_versions_follow_the_bucket_and_stay_while_it_is_away(bucket: Bucket, tmp_path: Path) -> None:
    environment = {
        "AWS_ENDPOINT_URL": bucket.endpoint,
        "AWS_ACCESS_KEY_ID": "AKIAGEHEIM",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    bucket.put(bundles.write_multiply(tmp_path / "made"), "models/multiply/1")
    with Server("s3://bucket/models", *flags(tmp_path / "cache"), environment=environment) as server:
        follow(server, bucket, tmp_path / "made")
        bucket.close()
        away = "'s3://bucket/models' cannot be listed: the store cannot be reached"
        server.wait_for(lambda: away in server.log())
        assert server.metric("sluice_storage_reachable") == 0
        assert answer(server) == [[2, 4, 6, 8]]
        told = server.operations.get("/metrics").text + server.operations.get("/readyz").text
        assert server.stop() == 0
    told += server.log()
    with Server("s3://bucket/models", *flags(tmp_path / "cache"), environment=environment) as server:
        server.wait_until_available("multiply")
        assert answer(server) == [[2, 4, 6, 8]]
        server.wait_for(lambda: server.operations.get("/readyz").status_code == 200)
        assert server.metric("sluice_storage_fetched_bytes_total") == 0
        told += server.log()
    assert "what was seen before stays" in server.log()
    assert not any(word in told for word in (SECRET, "AKIAGEHEIM", "Signature="))


def test_plain_http_serves_models_by_an_index_or_by_pages_that_list(tmp_path: Path) -> None:
    indexed, listed = tmp_path / "pages" / "indexed", tmp_path / "pages" / "listed"
    bundles.write_multiply(indexed)
    bundles.write_multiply(listed, name="thrice", factor=3)
    write_index(indexed)
    with Pages(tmp_path / "pages") as pages:
        pages.up = False
        base_paths = json.dumps({"renamed": f"{pages.url}/listed/thrice"})
        with Server(
            f"{pages.url}/indexed", *flags(tmp_path / "cache"), f"--repository-base-paths={base_paths}"
        ) as server:
            server.wait_for(lambda: "cannot be listed: the store answered 503" in server.log())
            assert server.operations.get("/readyz").status_code == 503
            assert server.operations.get("/healthz").status_code == 200
            pages.up = True
            server.wait_until_available("multiply")
            server.wait_until_available("renamed")
            server.wait_for(lambda: server.operations.get("/readyz").status_code == 200)
            assert answer(server) == [[2, 4, 6, 8]]
            assert server.post("predict", {**ASK, "model": "renamed"}).json()["outputs"]["y"] == [
                [3, 6, 9, 12]
            ]
            assert "/indexed/" not in pages.paths, "where there is an index no page is asked for"
            bundles.write_multiply(indexed, version=2, factor=5)
            write_index(indexed)
            bundles.write_multiply(listed, name="thrice", version=2, factor=7)
            server.wait_until_available("multiply", 2)
            server.wait_until_available("renamed", 2)
            pages.up = False
            server.wait_for(lambda: server.metric("sluice_storage_reachable") == 0)
            assert answer(server) == [[5, 10, 15, 20]]
