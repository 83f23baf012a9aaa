"""Which settings of model storage could never work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.app import storage
from service.config import ConfigError, Settings
from service.observability.metrics import Metrics
from service.repository.remote.looking import Site
from service.repository.remote.store import RemoteStore
from service.repository.store import StoreError


def create(**settings: object) -> RemoteStore:
    return storage.create(Settings.model_validate(settings), Metrics())


def test_without_a_url_there_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    create(models=str(tmp_path / "models")).close()
    assert list(tmp_path.iterdir()) == []


def test_the_cache_is_the_users_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "users"))
    create(models="http://127.0.0.1:9/models").close()
    assert (tmp_path / "users" / "sluice" / "models" / "trees").is_dir()
    create(models="http://127.0.0.1:9/models", models_cache=str(tmp_path / "named")).close()
    assert (tmp_path / "named" / "trees").is_dir()


def test_without_its_package_a_url_is_a_mistake_in_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    expected = r"need package 's3fs', .*: install requirements/storage\.txt, or the extra 's3'"
    with pytest.raises(ConfigError, match=expected):
        create(models="s3://bucket/models", models_cache=str(tmp_path))
    with pytest.raises(ConfigError, match=expected):
        create(repository={"base_paths": {"m": "s3://bucket/m"}}, models_cache=str(tmp_path))


def test_a_cache_that_cannot_be_written_to_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"models_cache: the directory .* cannot be used: Not a directory"):
        create(models="http://127.0.0.1:9/models", models_cache=str(tmp_path / "file" / "cache"))


def test_a_url_that_comes_later_and_cannot_be_read_is_no_end_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = create(models=str(tmp_path))
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(StoreError, match="aiohttp"):
        store._make_mirror(Site(storage.Url("http", "127.0.0.1:9/m")))
    store.close()
