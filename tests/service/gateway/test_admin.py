"""Who gets control of the repository, and who does not."""

from __future__ import annotations

import pytest

from service.config import Secret
from service.domain import Call
from service.errors import Forbidden, ServiceError, Unauthenticated
from service.gateway import Admin
from tests.support.gateway import BEARER, KEY, FakeControl

CONTROL = FakeControl(())


def call(credentials: str) -> Call:
    return Call("id-1", "rest", 0.0, credentials)


def test_switched_off_even_the_key_opens_nothing() -> None:
    for credentials in ("", BEARER):
        with pytest.raises(Forbidden, match="not allowed: they are switched off"):
            Admin().control("load", call(credentials))
    assert not Admin().enabled


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        KEY,
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        f"Bearer{KEY}",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY.upper()}",
        f"Bearer {KEY}, Bearer {KEY}",
        "Bearer \ud800é",
    ],
)
def test_without_the_key_nobody_gets_control(credentials: str) -> None:
    with pytest.raises(Unauthenticated) as raised:
        Admin(Secret.of(KEY.encode()), CONTROL).control("load", call(credentials))
    assert KEY not in raised.value.message


@pytest.mark.parametrize("credentials", [BEARER, f"bearer {KEY}", f"BEARER  {KEY} "])
def test_with_the_key_control_is_handed_over(credentials: str) -> None:
    admin = Admin(Secret.of(KEY.encode()), CONTROL)
    assert admin.control("load", call(credentials)) is CONTROL
    assert admin.enabled


def test_every_admin_call_is_logged_and_the_key_never(capsys: pytest.CaptureFixture[str]) -> None:
    admin = Admin(Secret.of(KEY.encode()), CONTROL)
    admin.control("load", call(BEARER))
    for credentials in ("Bearer wrong-but-secret", "Bearer wrong-but-secret"):
        with pytest.raises(ServiceError):
            admin.control("unload", call(credentials))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2, "a storm of refusals is one line"
    assert "admin_call" in lines[0]
    assert "admin_refused" in lines[1]
    assert KEY not in "".join(lines)
    assert "wrong" not in "".join(lines)


def test_neither_a_call_nor_a_secret_shows_the_key() -> None:
    assert KEY not in repr(call(BEARER))
    assert repr(Secret.of(KEY.encode())) == "Secret()"
