"""The official OpenAI client, in a process of its own, against the real gateway."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ENDLESS_TOKENS, Server
from tests.support import bundles, embedders

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients/bin/python"
PLACES = 16
BODY_BYTES = 64 * 1024
CHARACTERS = bundles.ALPHABET + ":"


@pytest.fixture(scope="module")
def openai_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway with a generator that knows colons, an endless one, a broken one, a translator, two embedders."""
    models = tmp_path_factory.mktemp("models")
    bundles.write_generator(models, alphabet=CHARACTERS)
    bundles.write_generator(models, name="endless", max_new_tokens=ENDLESS_TOKENS)
    bundles.write_translator(models)
    embedders.write_embedder(models)
    embedders.write_text_embedder(models)
    bundles.write_generator(models, name="broken", fault="checksum")
    flags = ("--engine-slots=4", f"--limits-max-in-flight={PLACES}", f"--http-max-body-bytes={BODY_BYTES}")
    with Server(models, *flags) as server:
        for name in ("letters", "endless", "words", "vectors", "phrases"):
            server.wait_until_available(name)
        server.wait_for(lambda: server.versions("broken")[1]["state"] == "failed")
        yield server


def expectations() -> str:
    return json.dumps(
        {
            "completion": bundles.generated("ab", 20, CHARACTERS),
            "other": bundles.generated("b", 20, CHARACTERS),
            "chat": bundles.generated("user:\nhello\nassistant:\n", 12, CHARACTERS),
            "characters": CHARACTERS,
            "places": PLACES,
            "body_bytes": BODY_BYTES,
            "vectors": [embedders.embedded([1, 2, 3]).tolist(), embedders.embedded([7]).tolist()],
            "phrases": embedders.TABLE[:3].tolist(),
        }
    )


@pytest.mark.parametrize(
    ("script", "part"),
    [
        ("openai_client", "completions"),
        ("openai_client", "chat"),
        ("openai_client", "models"),
        ("openai_client", "embeddings"),
        ("openai_errors", "requests"),
        ("openai_errors", "times"),
    ],
)
def test_the_official_client_works_unchanged(openai_server: Server, script: str, part: str) -> None:
    command = [PYTHON, ROOT / f"tests/clients/{script}.py", part, str(openai_server.ports["http_port"])]
    done = subprocess.run(
        command, input=expectations(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == f"{part} works"
    assert openai_server.process.poll() is None
    openai_server.wait_for(lambda: openai_server.metric("sluice_slots_in_use") == 0)


def test_a_client_in_the_middle_of_a_stream_is_told_that_the_server_goes_down(tmp_path: Path) -> None:
    bundles.write_generator(tmp_path, name="endless", max_new_tokens=ENDLESS_TOKENS)
    with Server(tmp_path, "--drain-grace-s=0.2") as server:
        server.wait_until_available("endless")
        command = [
            PYTHON,
            ROOT / "tests/clients/openai_errors.py",
            "draining",
            str(server.ports["http_port"]),
        ]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(expectations())
            client.stdin.close()
            assert client.stdout.readline() == "streaming\n"
            assert server.stop() == 0
            assert client.stdout.read() == "draining works\n", client.stderr and client.stderr.read()
