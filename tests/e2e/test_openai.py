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
    with Server(models, "--engine-slots=4", f"--limits-max-in-flight={PLACES}") as server:
        for name in ("letters", "endless", "words", "vectors", "phrases"):
            server.wait_until_available(name)
        server.wait_for(lambda: server.versions("broken")[1]["state"] == "failed")
        yield server


@pytest.mark.parametrize("part", ["completions", "chat", "models", "embeddings", "errors"])
def test_the_official_client_works_unchanged(openai_server: Server, part: str) -> None:
    expected = {
        "completion": bundles.generated("ab", 20, CHARACTERS),
        "other": bundles.generated("b", 20, CHARACTERS),
        "chat": bundles.generated("user:\nhello\nassistant:\n", 12, CHARACTERS),
        "characters": CHARACTERS,
        "places": PLACES,
        "vectors": [embedders.embedded([1, 2, 3]).tolist(), embedders.embedded([7]).tolist()],
        "phrases": embedders.TABLE[:3].tolist(),
    }
    script = ROOT / "tests/clients/openai_client.py"
    command = [PYTHON, script, part, str(openai_server.ports["http_port"])]
    done = subprocess.run(
        command, input=json.dumps(expected), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == f"{part} works"
    assert openai_server.process.poll() is None
    openai_server.wait_for(lambda: openai_server.metric("sluice_slots_in_use") == 0)
