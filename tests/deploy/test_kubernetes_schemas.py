"""Every Kubernetes object is checked strictly against the schema of its kind, and so is the check itself."""

import copy
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy import manifests
from tests.deploy.manifests import Document, one

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
RELEASES = ("1.30", "1.37")
"""The oldest Kubernetes that knows everything used here, and the newest whose schemas we have."""


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Document]]:
    """Everything that README.md tells one to apply, by the directory."""
    rendered = {name: manifests.render(manifests.HOME / name) for name in manifests.RENDERED}
    for component in ("models-from-image", "models-from-storage"):
        home = tmp_path_factory.mktemp("overlay")
        rendered[component] = manifests.render_readme(home, component)
    rules = yaml.safe_load((manifests.HOME / "prometheus-adapter" / "rules.yaml").read_text())
    return {**rendered, "prometheus-adapter": [rules]}


def check(**given: list[Document]) -> dict[str, list[str]]:
    """Return the mistakes in each list of objects."""
    done = subprocess.run(
        [PYTHON, "-W", "ignore", ROOT / "tests" / "clients" / "kubernetes_schemas.py", *RELEASES],
        input=json.dumps(given), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def spoilt(document: Document, *path: str | int, value: object) -> list[Document]:
    """Return a copy in which one value is another."""
    changed = copy.deepcopy(document)
    *way, last = path
    inner = changed
    for step in way:
        inner = inner[step]
    inner[last] = value
    return [changed]


def test_every_object_that_is_applied_has_the_form_of_its_kind(applied: dict[str, list[Document]]) -> None:
    assert check(**applied) == {name: [] for name in applied}


def test_every_file_is_an_object_that_is_checked_or_a_part_of_one(applied: dict[str, list[Document]]) -> None:
    checked = {
        (each["kind"], each["metadata"]["name"]) for documents in applied.values() for each in documents
    }
    for path, document in manifests.files():
        if path.name != "kustomization.yaml":
            assert (document["kind"], document["metadata"]["name"]) in checked, path


def test_the_check_refuses_what_is_misspelt_of_a_wrong_type_missing_or_unknown(
    applied: dict[str, list[Document]],
) -> None:
    deployment, monitor = (
        one(applied["overlays/cpu"], "Deployment"),
        one(applied["overlays/cpu"], "ServiceMonitor"),
    )
    runtime, service = (
        one(applied["kserve"], "ServingRuntime"),
        one(applied["kserve"], "InferenceService", "digits-cnn"),
    )
    container = ("spec", "template", "spec", "containers", 0)
    found = check(
        field=spoilt(deployment, *container, "readinesProbe", value={}),
        type=spoilt(deployment, "spec", "minReadySeconds", value="5"),
        group=spoilt(deployment, "apiVersion", value="apps.example.com/v1"),
        case=spoilt(deployment, "kind", value="deployment"),
        kind=spoilt(deployment, "kind", value="Deploiment"),
        custom=spoilt(monitor, "kind", value="PodMonitor"),
        monitor=spoilt(monitor, "spec", "endpoints", 0, "portt", value="operations"),
        runtime=spoilt(runtime, "spec", "containers", 0, "securityContext", "readOnly", value=True),
        formats=spoilt(runtime, "spec", "supportedModelFormats", 0, "autoSelect", value="yes"),
        required=spoilt(runtime, "spec", "containers", 0, "env", 0, value={"value": "x"}),
        model=spoilt(service, "spec", "predictor", "model", "storageUrl", value="pvc://x"),
        version=spoilt(service, "apiVersion", value="serving.kserve.io/v1"),
    )
    assert [name for name, mistakes in found.items() if not mistakes] == []
    assert "V1SecurityContext has no such field" in found["runtime"][0]
    assert found["kind"][0].startswith("Deploiment sluice-gateway: Couldn't find schema")
