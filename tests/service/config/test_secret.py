"""A key in a file: what is one, and who matches it."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.config import ConfigError, Secret, read

KEY = "0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "key"


def test_a_key_matches_itself_and_nothing_else(file: Path) -> None:
    file.write_text(f" {KEY}\n")
    secret = Secret.read(file)
    assert secret.matches(KEY)
    for shown in ("", KEY[:-1], KEY + "\n", f" {KEY}", "é", "\ud800"):
        assert not secret.matches(shown)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"short", b"two words are no key", b"0123456789abcde\xc3\xa9", b"x" * 5000]
)
def test_what_is_no_key_is_refused_and_not_shown(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="flag --admin-key-file: expected one key in the file") as raised:
        read(["--admin-key-file", str(file)], {})
    assert "two words" not in str(raised.value)


def test_a_key_that_is_not_in_a_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(ConfigError, match="SLUICE_ADMIN__KEY_FILE: expected a file that holds the key"):
            read([], {"SLUICE_ADMIN__KEY_FILE": str(path)})


def test_a_path_is_a_text(file: Path) -> None:
    file.write_text("[admin]\nkey_file = 3\n")
    with pytest.raises(ConfigError, match=r"key 'admin\.key_file' .*: expected the path of a file, got 3"):
        read(["--config", str(file)], {})


def test_admin_calls_are_off_and_cannot_be_switched_on_without_a_key(file: Path) -> None:
    assert not read([], {}).admin.enabled
    with pytest.raises(ConfigError, match=r"admin\.enabled needs a key: admin\.key_file is not set"):
        read(["--admin-enabled", "true"], {})
    file.write_text(KEY)
    admin = read(["--admin-enabled=true", f"--admin-key-file={file}"], {}).admin
    assert admin.enabled
    assert admin.key_file is not None
    assert admin.key_file.matches(KEY)
    assert not read([f"--admin-key-file={file}"], {}).admin.enabled


def test_the_key_itself_cannot_be_given_as_a_flag() -> None:
    with pytest.raises(ConfigError, match="unknown flag '--admin-key'"):
        read(["--admin-key", KEY], {})
