"""One stack on a real engine for all tests that are marked `engine`; they run only when asked for (`-m engine`)."""

import os
from collections.abc import Iterator

import pytest

from tests.compose.stack import Stack, wait_for
from tests.e2e.conftest import MODELS

TRAINED_WITHIN_S = 400.0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs an engine unless the marker expression speaks of it."""
    if "engine" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("engine")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("engine")]


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """What `docker compose up` ends with: models trained (briefly) in a volume, one gateway, Prometheus."""
    stack = Stack(f"sluice-test-{os.getpid()}")
    try:
        stack.compose("up", "--detach", limit_s=900)
        wait_for(lambda: stack.models() == set(MODELS), TRAINED_WITHIN_S)
        yield stack
    except AssertionError as error:
        pytest.fail(f"{error}\n{stack.compose('logs', '--tail', '40')}")
    finally:
        stack.compose("--profile", "*", "down", "--volumes", "--timeout", "5")
