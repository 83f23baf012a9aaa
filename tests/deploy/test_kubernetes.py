"""What the Kubernetes manifests promise, held against the gateway that they start. Nothing is deployed."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.app.running import LINGER_S
from service.config import Settings
from service.observability.families import Families
from tests.deploy import manifests
from tests.deploy.manifests import Document, containers, one

SPARE_S = 10


@pytest.fixture(scope="module", params=["overlays/cpu", "overlays/gpu", "README.md", "models-from-image"])
def deployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    if request.param in {"README.md", "models-from-image"}:
        components = ["models-from-image"] if request.param == "models-from-image" else []
        return manifests.render_readme(tmp_path_factory.mktemp("overlay"), *components)
    return manifests.render(manifests.HOME / request.param)


@pytest.fixture(scope="module")
def settings(deployed: list[Document]) -> Settings:
    return manifests.settings_of(deployed)


@pytest.fixture(scope="module")
def pod(deployed: list[Document]) -> Document:
    pod: Document = one(deployed, "Deployment")["spec"]["template"]
    return pod


@pytest.fixture(scope="module")
def gateway(pod: Document) -> Document:
    (gateway,) = pod["spec"]["containers"]
    return gateway


@pytest.fixture(scope="module")
def trained() -> list[Document]:
    return manifests.render(manifests.HOME / "train")


def assert_restricted(pod: Document) -> None:
    """Hold a pod to the restricted profile of the pod security standards, and to more."""
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["runAsUser"] == 10001
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod["spec"].keys()
    assert not any("hostPath" in volume for volume in pod["spec"]["volumes"])
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()


def test_no_pod_has_a_privilege_and_each_is_bounded(
    deployed: list[Document], trained: list[Document]
) -> None:
    for pod in (*manifests.pods(deployed), *manifests.pods(trained)):
        assert_restricted(pod)
    labels = one(deployed, "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_time_to_end_is_what_the_drain_takes_and_a_little(
    pod: Document, gateway: Document, settings: Settings
) -> None:
    slept_s = gateway["lifecycle"]["preStop"]["sleep"]["seconds"]
    drained_s = settings.drain.delay_s + settings.drain.grace_s + 2 * LINGER_S
    given_s = pod["spec"]["terminationGracePeriodSeconds"]
    assert slept_s + drained_s < given_s <= slept_s + drained_s + SPARE_S


def test_a_drain_is_seen_before_the_gateway_stops_listening(gateway: Document, settings: Settings) -> None:
    probe = gateway["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < settings.drain.delay_s


def test_the_gateway_listens_where_the_manifests_say(gateway: Document, settings: Settings) -> None:
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    assert ports == {
        "rest": settings.http.port,
        "grpc": settings.grpc.port,
        "operations": settings.operations.port,
    }
    assert {settings.http.host, settings.grpc.host, settings.operations.host} == {"0.0.0.0"}  # noqa: S104


def test_the_probes_ask_the_operations_port(gateway: Document) -> None:
    asked = {name: gateway[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: get["path"] for name, get in asked.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {get["port"] for get in asked.values()} == {"operations"}


def test_models_are_read_where_the_volume_is(pod: Document, gateway: Document, settings: Settings) -> None:
    mounts = {mount["name"]: mount for mount in gateway["volumeMounts"]}
    assert Path(mounts["models"]["mountPath"]) == settings.models
    assert mounts["models"]["readOnly"] is True
    assert {volume["name"] for volume in pod["spec"]["volumes"]} == mounts.keys()


def test_the_job_fills_the_volume_that_the_gateway_reads(trained: list[Document]) -> None:
    claim = one(manifests.render(manifests.HOME / "overlays/cpu"), "PersistentVolumeClaim")
    (pod,) = manifests.pods(trained)
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    (train,) = pod["spec"]["containers"]
    places = {mount["name"]: mount["mountPath"] for mount in train["volumeMounts"]}
    told = dict(zip(train["args"], train["args"][1:], strict=False))
    assert (told["--models"], told["--runs"]) == (places["models"], places["runs"])


def test_everything_that_selects_gateways_selects_them_and_the_job_not(
    deployed: list[Document], trained: list[Document], pod: Document
) -> None:
    policy, budget = one(deployed, "NetworkPolicy"), one(deployed, "PodDisruptionBudget")
    (spread,) = pod["spec"]["topologySpreadConstraints"]
    selectors = [
        *(each["spec"]["selector"] for each in deployed if each["kind"] == "Service"),
        one(deployed, "Deployment")["spec"]["selector"]["matchLabels"],
        budget["spec"]["selector"]["matchLabels"],
        policy["spec"]["podSelector"]["matchLabels"],
        spread["labelSelector"]["matchLabels"],
    ]
    (job,) = manifests.pods(trained)
    for selector in selectors:
        assert selector.items() <= pod["metadata"]["labels"].items()
        assert not selector.items() <= job["metadata"]["labels"].items()


def test_every_port_that_is_named_is_a_port_of_the_gateway(
    deployed: list[Document], gateway: Document
) -> None:
    numbers = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    for service in (each for each in deployed if each["kind"] == "Service"):
        for port in service["spec"]["ports"]:
            assert numbers[port["targetPort"]] == port["port"]
    for rule in one(deployed, "NetworkPolicy")["spec"]["ingress"]:
        assert {port["port"] for port in rule["ports"]} <= numbers.keys()


def test_only_the_namespace_of_prometheus_reaches_operations_and_a_gateway_reaches_nobody(
    deployed: list[Document],
) -> None:
    policy = one(deployed, "NetworkPolicy")["spec"]
    (watching,) = (
        rule for rule in policy["ingress"] if "operations" in {port["port"] for port in rule["ports"]}
    )
    adapter = one((document for _, document in manifests.files()), "ConfigMap", "prometheus-adapter")
    (peer,) = watching["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": adapter["metadata"]["namespace"]
    }
    assert {port["port"] for port in watching["ports"]} == {"operations"}
    assert (policy["policyTypes"], policy.get("egress")) == (["Ingress", "Egress"], [])


def test_grpc_clients_that_balance_get_all_ready_pods_and_meet_new_ones(
    deployed: list[Document], settings: Settings
) -> None:
    headless = one(deployed, "Service", "sluice-grpc")["spec"]
    assert headless["clusterIP"] == "None"
    assert not headless.get("publishNotReadyAddresses")
    assert settings.grpc.channel_arguments["grpc.max_connection_age_ms"] == 300_000


def test_prometheus_finds_each_gateway_once_ready_or_not(deployed: list[Document]) -> None:
    monitor = one(deployed, "ServiceMonitor")["spec"]
    (service,) = (
        each
        for each in deployed
        if each["kind"] == "Service"
        and monitor["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    )
    assert service["spec"]["publishNotReadyAddresses"] is True
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def adapter_rule() -> dict[str, Any]:
    document = one((document for _, document in manifests.files()), "ConfigMap", "prometheus-adapter")
    (rule,) = yaml.safe_load(document["data"]["config.yaml"])["rules"]
    return dict(rule)


def test_the_autoscaler_asks_for_what_the_adapter_makes_of_the_queue_wait(deployed: list[Document]) -> None:
    scaler, rule = one(deployed, "HorizontalPodAutoscaler")["spec"], adapter_rule()
    (custom,) = (each["pods"] for each in scaler["metrics"] if each["type"] == "Pods")
    assert custom["metric"]["name"] == rule["name"]["as"]
    families = Families()
    families.queue_wait.labels("m", "1", "predict").observe(0.1)
    exported = {sample.name for family in families.registry.collect() for sample in family.samples}
    asked = {"sluice_queue_wait_seconds_sum", "sluice_queue_wait_seconds_count"}
    assert asked <= exported
    assert rule["seriesQuery"].startswith("sluice_queue_wait_seconds_sum{")
    assert all(f"{name}{{<<.LabelMatchers>>}}" in rule["metricsQuery"] for name in asked)


def test_the_autoscaler_alone_says_how_many_and_the_budget_leaves_one(deployed: list[Document]) -> None:
    deployment, scaler = one(deployed, "Deployment"), one(deployed, "HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]
    assert one(deployed, "PodDisruptionBudget")["spec"]["maxUnavailable"] < scaler["minReplicas"]


def test_images_are_pinned_and_ours_have_the_version_of_the_package(
    deployed: list[Document], trained: list[Document]
) -> None:
    version = tomllib.loads(manifests.PROJECT.read_text())["project"]["version"]
    for pod in (*manifests.pods(deployed), *manifests.pods(trained)):
        for container in containers(pod):
            name, _, tag = container["image"].partition(":")
            assert tag == ("2026.1" if name == "sluice-models" else version), container["image"]


def test_the_gpu_overlay_has_a_gpu_and_refuses_to_do_without() -> None:
    documents = manifests.render(manifests.HOME / "overlays/gpu")
    (gateway,) = one(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert gateway["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert gateway["image"].startswith("sluice-gateway-gpu:")
    assert manifests.settings_of(documents).engine.device == "cuda"
    rolling = one(documents, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 0, "maxUnavailable": 1}


def test_models_from_an_image_need_no_shared_volume(tmp_path: Path) -> None:
    documents = manifests.render_readme(tmp_path, "models-from-image")
    assert "PersistentVolumeClaim" not in {each["kind"] for each in documents}
    spec = one(documents, "Deployment")["spec"]["template"]["spec"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == "models")
    assert volume.keys() == {"name", "emptyDir"}
    (copying,) = spec["initContainers"]
    assert copying["command"][-1].rstrip("/") == copying["volumeMounts"][0]["mountPath"]


def test_models_from_storage_need_no_volume_but_a_cache_and_a_way_out(tmp_path: Path) -> None:
    documents = manifests.render_readme(tmp_path, "models-from-storage")
    assert "PersistentVolumeClaim" not in {each["kind"] for each in documents}
    spec = one(documents, "Deployment")["spec"]["template"]["spec"]
    (gateway,) = spec["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in gateway["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    settings = manifests.settings_of(documents)
    assert mounts == {"cache": str(settings.models_cache), "tmp": "/tmp"}  # noqa: S108  # of the pod
    assert volumes["cache"]["emptyDir"] == {"sizeLimit": "10Gi"}
    assert settings.models_cache_bytes < 10 * 2**30
    secret = gateway["envFrom"][1]["secretRef"]
    assert secret == {"name": "sluice-storage", "optional": True}
    egress = one(documents, "NetworkPolicy")["spec"]["egress"]
    assert {port["port"] for rule in egress for port in rule["ports"]} == {53, 443}
