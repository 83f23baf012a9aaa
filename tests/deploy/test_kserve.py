"""What the KServe manifests promise, held against the settings that the gateway reads from them. Nothing is deployed."""

import pytest

from deploy import collection
from service.app.running import LINGER_S
from service.config import Settings, read
from service.protocols.tfserving import command_line
from tests.deploy import manifests
from tests.deploy.manifests import Document, one

SERVICES = ("digits-cnn", "tumour-autoencoder")
SPARE_S = 10


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return [each for path, each in manifests.files() if path.parent.name == "kserve"]


@pytest.fixture(scope="module")
def runtime(documents: list[Document]) -> Document:
    return one(documents, "ServingRuntime")


@pytest.fixture(scope="module")
def container(runtime: Document) -> Document:
    (container,) = runtime["spec"]["containers"]
    return container


@pytest.fixture(scope="module", params=SERVICES)
def predictor(request: pytest.FixtureRequest, documents: list[Document]) -> Document:
    predictor: Document = one(documents, "InferenceService", request.param)["spec"]["predictor"]
    return predictor


@pytest.fixture(scope="module")
def settings(container: Document) -> Settings:
    arguments = [argument.replace("{{.Name}}", "digits-cnn") for argument in container["args"]]
    environment = {each["name"]: each["value"] for each in container["env"]}
    told = command_line.understand(arguments, environment)
    assert told.notes == []
    return read(told.arguments, environment, told.values, told.implied)


def test_the_model_is_served_from_where_kserve_puts_it_by_the_name_of_the_service(settings: Settings) -> None:
    assert {name: str(path) for name, path in settings.repository.base_paths.items()} == {
        "digits-cnn": "/mnt/models"
    }
    assert settings.models is None


def test_kserves_own_name_of_the_container_and_ports_are_used(
    runtime: Document, container: Document, settings: Settings
) -> None:
    assert container["name"] == "kserve-container"
    assert (settings.http.port, settings.grpc.port) == (8080, 9000)
    assert {settings.http.host, settings.grpc.host, settings.operations.host} == {"0.0.0.0"}  # noqa: S104
    assert runtime["spec"]["annotations"]["prometheus.kserve.io/port"] == str(settings.operations.port)
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": settings.operations.port}
    assert container["readinessProbe"]["httpGet"]["port"] == settings.http.port


def test_each_service_asks_the_runtime_for_what_it_offers(runtime: Document, predictor: Document) -> None:
    model = predictor["model"]
    offered = runtime["spec"]["supportedModelFormats"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["modelFormat"].items() <= offered[0].items()
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]


def test_the_services_have_both_wires_and_grpc_its_port(
    documents: list[Document], settings: Settings
) -> None:
    models = [each["spec"]["predictor"]["model"] for each in documents if each["kind"] == "InferenceService"]
    ports = {model["protocolVersion"]: model.get("ports") for model in models}
    assert ports == {
        "v2": None,
        "grpc-v2": [{"name": "grpc-port", "containerPort": settings.grpc.port, "protocol": "TCP"}],
    }


def test_each_service_is_a_model_that_the_training_job_puts_on_the_volume(documents: list[Document]) -> None:
    base = one((each for _, each in manifests.files()), "PersistentVolumeClaim")["metadata"]["name"]
    for service in (each for each in documents if each["kind"] == "InferenceService"):
        name = service["metadata"]["name"]
        assert name in collection.FIRST
        assert service["spec"]["predictor"]["model"]["storageUri"] == f"pvc://{base}/{name}"


def test_the_time_to_end_is_what_the_drain_takes_and_a_little(
    predictor: Document, settings: Settings
) -> None:
    drained_s = settings.drain.delay_s + settings.drain.grace_s + 2 * LINGER_S
    assert drained_s < predictor["terminationGracePeriodSeconds"] <= drained_s + SPARE_S


def test_the_container_is_as_bounded_as_the_one_of_the_deployment(container: Document) -> None:
    base = (each for path, each in manifests.files() if path.parent.name == "base")
    deployment = one(base, "Deployment")
    (gateway,) = deployment["spec"]["template"]["spec"]["containers"]
    given = container["securityContext"]
    assert gateway["securityContext"].items() <= given.items()
    pod = deployment["spec"]["template"]["spec"]["securityContext"]
    assert {name: given[name] for name in ("runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile")} == {
        name: pod[name] for name in ("runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile")
    }
    assert container["resources"] == gateway["resources"]
