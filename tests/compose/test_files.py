"""What deploy/ promises in its files: pinned, bounded, without privileges; checked without an engine."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.config import Settings, read

DEPLOY = Path(__file__).parents[2] / "deploy"
STACK: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
DOCKERFILES = ("Dockerfile", "Dockerfile.load", "Dockerfile.training")
PROMETHEUS = DEPLOY / "monitoring" / "prometheus"
PINNED = re.compile(r"[a-z0-9/-]+:v?\d+\.\d+\.\d+[a-z0-9.-]*")


def environment(name: str) -> dict[str, str]:
    lines = (DEPLOY / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def instructions(name: str) -> list[str]:
    text = re.sub(r"\\\n(#.*\n)*", " ", (DEPLOY / name).read_text())
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded_and_without_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["restart"] in {"unless-stopped", "on-failure:3"}
    assert {"cpus", "mem_limit", "pids_limit"} <= service.keys()
    assert "privileged" not in service
    assert not any("docker.sock" in volume for volume in service.get("volumes", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_and_ours_have_the_version_of_the_package(name: str) -> None:
    image = SERVICES[name]["image"]
    assert PINNED.fullmatch(image), image
    if image.startswith("sluice-"):
        version = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["version"]
        assert image.endswith(f":{version}")
        assert (DEPLOY.parent / SERVICES[name]["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_only_the_public_ports_can_be_opened_to_others(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        public = port.endswith((":8000", ":8001"))
        assert port.startswith("${STACK_ADDRESS:-127.0.0.1}:" if public else "127.0.0.1:"), port


def test_who_takes_the_gateways_place_takes_its_ports() -> None:
    assert SERVICES["gateway-gpu"]["ports"] == SERVICES["gateway"]["ports"]
    assert SERVICES["balancer"]["ports"] == SERVICES["gateway"]["ports"][:2]
    assert SERVICES["gateway-traced"]["ports"] == SERVICES["gateway"]["ports"]
    for name, profile in (("scale.env", "scale"), ("gpu.env", "gpu"), ("tracing.env", "tracing")):
        chosen = environment(name)
        assert chosen["STACK_GATEWAYS"] == "0"
        assert chosen["COMPOSE_PROFILES"].split(",") == ["train", profile]


def test_no_environment_file_says_what_the_stack_does_not_know() -> None:
    known = set(re.findall(r"\$\{(STACK_\w+)", (DEPLOY / "compose.yaml").read_text())) | {"COMPOSE_PROFILES"}
    for name in (".env", "scale.env", "gpu.env", "tracing.env"):
        assert environment(name).keys() <= known


def test_the_grace_is_longer_than_the_drain() -> None:
    told = dict(re.findall(r"(SLUICE_\w+)=(\S+)", " ".join(instructions("Dockerfile"))))
    drain = read((), told).drain
    assert drain.delay_s >= 3, "two looks of the balancer"
    for name in ("gateway", "gateway-1", "gateway-gpu"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > drain.delay_s + drain.grace_s


def test_the_balancer_waits_longer_than_any_request_may() -> None:
    text = (DEPLOY / "balancer" / "haproxy.cfg").read_text()
    for side in ("client", "server"):
        (found,) = re.findall(rf"timeout {side} (\d+)s", text)
        assert int(found) > Settings().limits.max_timeout_s


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_starts_from_a_pinned_one_and_runs_as_nobody_in_particular(name: str) -> None:
    lines = instructions(name)
    (base,) = (
        line.removeprefix("ARG PYTHON_IMAGE=") for line in lines if line.startswith("ARG PYTHON_IMAGE")
    )
    assert PINNED.fullmatch(base)
    assert {line.split(" AS ")[0] for line in lines if line.startswith("FROM")} == {"FROM ${PYTHON_IMAGE}"}
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    installs = [line for line in lines if "pip install" in line]
    assert all("--require-hashes" in line for line in installs)
    assert not [line for line in lines if re.match(r"ADD |COPY \. |ENV .*(KEY|TOKEN|PASSWORD)", line)]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_an_image_copies_is_not_left_out_of_its_context(name: str) -> None:
    kept = [
        line[1:] for line in (DEPLOY.parent / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    for line in instructions(name):
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert any(source == each or source.startswith(f"{each}/") for each in kept), source


def test_a_traced_gateway_has_the_packages_for_it_and_its_collector_hands_on_what_it_sends() -> None:
    gateway = SERVICES["gateway-traced"]
    requirements = DEPLOY.parent / "requirements" / f"{gateway['build']['args']['REQUIREMENTS']}.txt"
    assert "opentelemetry-exporter-otlp-proto-grpc==" in requirements.read_text()
    endpoint = read((), gateway["environment"]).tracing.endpoint
    collector = yaml.safe_load((DEPLOY / "tracing" / "collector.yaml").read_text())
    port = collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].rpartition(":")[2]
    assert endpoint == f"http://collector:{port}"
    pipeline = collector["service"]["pipelines"]["traces"]
    for part in ("receivers", "processors", "exporters"):
        assert set(pipeline[part]) == collector[part].keys()
    assert collector["exporters"]["otlp/jaeger"]["endpoint"].partition(":")[0] in SERVICES


def test_prometheus_has_targets_for_one_and_for_three() -> None:
    targets = {
        directory.name: [
            target
            for path in sorted(directory.glob("*.yaml"))
            for group in yaml.safe_load(path.read_text())
            for target in group["targets"]
        ]
        for directory in (PROMETHEUS / "targets").iterdir()
    }
    assert targets["one"] == ["gateway:8002"]
    assert targets["three"] == ["balancer:8404", "gateway-1:8002", "gateway-2:8002", "gateway-3:8002"]
    assert all(target.split(":")[0] in SERVICES for each in targets.values() for target in each)


def test_secrets_come_from_files_that_are_not_in_the_repository() -> None:
    ignored = (DEPLOY.parent / ".gitignore").read_text().splitlines()
    for secret in STACK["secrets"].values():
        assert secret.keys() == {"file"}
        assert secret["file"].startswith("secrets/")
    assert {"/deploy/secrets/", "/deploy/gateway.env"} <= set(ignored)
