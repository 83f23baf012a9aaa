import time
from pathlib import Path
from typing import Any

import pytest

from pb import tfserving_pb2 as pb
from service.config import Policy, Url
from service.domain import Call, ModelId, VersionStatus
from service.errors import Forbidden, Invalid, Unauthenticated, Unavailable
from service.protocols.tfserving.reload import Reload
from tests.support.gateway import BEARER, FakeGateway


def config(*models: dict[str, Any]) -> bytes:
    listed = pb.ModelConfigList(
        config=[pb.ModelConfig(model_platform="tensorflow", **model) for model in models]
    )
    return pb.ReloadConfigRequest(config=pb.ModelServerConfig(model_config_list=listed)).SerializeToString()


def call(credentials: str = BEARER) -> Call:
    return Call("r", "grpc", time.monotonic() + 5, credentials)


@pytest.fixture
def gateway() -> FakeGateway:
    made = FakeGateway()
    made.switch_admin_on()
    return made


@pytest.fixture
def fake(tmp_path: Path) -> dict[str, Any]:
    return {"name": "fake", "base_path": str(tmp_path / "fake")}


async def test_without_the_switch_or_the_key_nothing_is_read(fake: dict[str, Any], tmp_path: Path) -> None:
    gateway = FakeGateway()
    with pytest.raises(Forbidden):
        await Reload(gateway, [tmp_path]).handle(b"\xff", call())
    gateway.switch_admin_on()
    for credentials in ("", "Bearer wrong"):
        with pytest.raises(Unauthenticated):
            await Reload(gateway, [tmp_path]).handle(config(fake), call(credentials))
    assert gateway.controlled.told == []


async def test_what_is_listed_is_served_and_nothing_else(
    gateway: FakeGateway, fake: dict[str, Any], tmp_path: Path
) -> None:
    policy = pb.ServableVersionPolicy(specific=pb.ServableVersionPolicy.Specific(versions=[3]))
    message = config({**fake, "model_version_policy": policy, "version_labels": {"canary": 3}})
    answer = await Reload(gateway, [tmp_path]).handle(message, call())
    assert pb.ReloadConfigResponse.FromString(answer).status.error_code == 0
    rules = gateway.controlled.rules
    assert (rules.places.base_paths, rules.places.shelf) == ({"fake": tmp_path / "fake"}, False)
    assert rules.policies == {"fake": Policy(kind="specific", versions=frozenset({3}))}
    assert rules.labels == {"fake": {"canary": 3}}


async def test_a_url_may_be_listed_below_one_that_the_server_reads_already(gateway: FakeGateway) -> None:
    listed = config({"name": "fake", "base_path": "s3://bucket/models/fake"})
    await Reload(gateway, [Url("s3", "bucket/models")]).handle(listed, call())
    assert gateway.controlled.rules.places.base_paths == {"fake": Url("s3", "bucket/models/fake")}


@pytest.mark.parametrize(
    "base", ["s3://bucket/others/fake", "gs://bucket/models/fake", "http://169.254.0.1/x"]
)
async def test_no_caller_makes_the_server_read_another_url(gateway: FakeGateway, base: str) -> None:
    with pytest.raises(Invalid, match="expected a URL below one that this server was started with"):
        await Reload(gateway, [Url("s3", "bucket/models"), Path("/")]).handle(
            config({"name": "fake", "base_path": base}), call()
        )
    assert gateway.controlled.told == []


async def test_a_failure_of_a_version_that_nobody_lists_is_no_failure(
    gateway: FakeGateway, fake: dict[str, Any], tmp_path: Path
) -> None:
    gateway.controlled.fail = Invalid("failed to load version 4 of model 'fake': checksum")
    assert await Reload(gateway, [tmp_path]).handle(config(fake), call()) is not None


async def test_a_model_that_does_not_become_available_is_told_and_the_configuration_stays(
    gateway: FakeGateway, fake: dict[str, Any], tmp_path: Path
) -> None:
    policy = pb.ServableVersionPolicy(specific=pb.ServableVersionPolicy.Specific(versions=[3, 4]))
    none = {"name": "none", "base_path": str(tmp_path / "none")}
    with pytest.raises(Unavailable) as caught:
        await Reload(gateway, [tmp_path]).handle(
            config({**fake, "model_version_policy": policy}, none), call()
        )
    assert caught.value.message == (
        "2 model(s) did not become available: {{fake: version 4: checksum}, {none: no such version}}"
    )
    assert set(gateway.controlled.rules.places.base_paths) == {"fake", "none"}


async def test_a_label_to_a_version_that_does_not_answer_brings_the_former_configuration_back(
    gateway: FakeGateway, fake: dict[str, Any], tmp_path: Path
) -> None:
    before = gateway.controlled.rules
    with pytest.raises(Invalid, match="Request to assign label to version 4 of model fake, which is not"):
        await Reload(gateway, [tmp_path]).handle(config({**fake, "version_labels": {"new": 4}}), call())
    assert gateway.controlled.rules == before


async def test_what_somebody_else_asked_for_meanwhile_is_not_taken_back(
    gateway: FakeGateway, fake: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, asked = gateway.controlled, gateway.controlled.reconfigure
    others = control.rules.__class__()

    async def overtaken(rules: Any, deadline_at_s: float) -> Any:
        answer = await asked(rules, deadline_at_s)
        control.rules = others
        return answer

    monkeypatch.setattr(control, "reconfigure", overtaken)
    with pytest.raises(Invalid, match="Request to assign label"):
        await Reload(gateway, [tmp_path]).handle(config({**fake, "version_labels": {"new": 4}}), call())
    assert control.rules is others


async def test_a_version_that_goes_on_with_its_former_files_is_told(
    gateway: FakeGateway, fake: dict[str, Any], tmp_path: Path
) -> None:
    kept = VersionStatus(ModelId("fake", 3), "available", "its changed files are not used: it is broken")
    gateway.states = (kept,)
    with pytest.raises(Unavailable, match="version 3: its changed files are not used"):
        await Reload(gateway, [tmp_path]).handle(config(fake), call())


@pytest.mark.parametrize(
    "path", ["/etc", "{root}/../elsewhere", "{root}-2/fake", "{root}/link/x", "{root}/../loop"]
)
async def test_a_base_path_elsewhere_is_refused(gateway: FakeGateway, tmp_path: Path, path: str) -> None:
    root = tmp_path / "models"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(Invalid, match="below one that this server was started with") as caught:
        await Reload(gateway, [root]).handle(
            config({"name": "fake", "base_path": path.format(root=root)}), call()
        )
    assert str(tmp_path) not in caught.value.message
    assert gateway.controlled.told == []


@pytest.mark.parametrize("message", [b"\xff\xff", b"", b"\x0a\x02\x12\x00"])
async def test_what_is_no_list_of_models_is_refused(gateway: FakeGateway, message: bytes) -> None:
    with pytest.raises(Invalid):
        await Reload(gateway, []).handle(message, call())


async def test_an_empty_list_serves_nothing(gateway: FakeGateway) -> None:
    gateway.states = (VersionStatus(ModelId("fake", 3), "draining"),)
    await Reload(gateway, []).handle(b"\x0a\x02\x0a\x00", call())
    assert dict(gateway.controlled.rules.places.base_paths) == {}
