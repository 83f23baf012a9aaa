"""A `model.config` file that is looked at again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.app.model_config_poll import ModelConfigPoll
from service.config import Policy, Settings
from service.protocols.tfserving.config_files import with_model_config
from service.repository.rules import Rules
from tests.service.repository.house import House


def listing(*names: str) -> str:
    models = [f"config {{ name: '{name}' base_path: '/x/{name}' }}" for name in names]
    return f"model_config_list {{ {' '.join(models)} }}"


class Polled:
    """Settings with a file, a reloader that has taken them up, and the poll between the two."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_text(listing("a"))
        mine = {"model_config_file": path, "policies": {"mine": "all"}, "base_paths": {"mine": "/mine"}}
        settings = Settings.model_validate({"repository": {**mine, "model_config_poll_s": 0.001}})
        self.house = House(with_model_config(settings)[0].repository)
        self.poll = ModelConfigPoll(settings, self.house.reloader)

    def served(self) -> set[str]:
        return set(self.house.reloader.rules.places.base_paths)


@pytest.fixture
def polled(tmp_path: Path) -> Polled:
    return Polled(tmp_path / "model.config")


async def test_what_the_file_lists_is_served_beside_what_the_settings_have(polled: Polled) -> None:
    assert polled.served() == {"mine", "a"}
    polled.path.write_text(listing("a", "b"))
    await polled.poll.look()
    assert polled.served() == {"mine", "a", "b"}
    assert polled.house.reloader.rules.policies == {"mine": Policy(kind="all")}
    assert polled.house.reloader.rules.places.shelf


async def test_a_file_that_has_not_changed_undoes_nothing(polled: Polled) -> None:
    changed = polled.house.reloader.rules.with_unloaded("a")
    polled.house.reloader.adopt(changed)
    await polled.poll.look()
    assert polled.house.reloader.rules == changed


async def test_a_file_that_cannot_be_used_changes_nothing_and_is_told_once(
    polled: Polled, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("model_config_list {", listing("mine"), ""):
        polled.path.write_text(text)
        await polled.poll.look()
        await polled.poll.look()
        assert polled.served() == {"mine", "a"}
    polled.path.unlink()
    await polled.poll.look()
    assert capsys.readouterr().out.count("model_config_unusable") == 4
    polled.path.write_text(listing("c"))
    await polled.poll.look()
    assert polled.served() == {"mine", "c"}


async def test_it_looks_again_and_again(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    adopted = asyncio.Queue[Rules]()
    monkeypatch.setattr(polled.house.reloader, "adopt", adopted.put_nowait)
    running = asyncio.create_task(polled.poll.run())
    async with asyncio.timeout(10):
        for name in ("b", "c"):
            polled.path.write_text(listing(name))
            assert set((await adopted.get()).places.base_paths) == {"mine", name}
    running.cancel()
