"""The Kubernetes objects of deploy/kubernetes as kustomize renders them, and how to look into them.

Knows files and plain values. Knows nothing of what they should say.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.config import Settings, read

HOME = Path(__file__).parents[2] / "deploy" / "kubernetes"
RENDERED = ("overlays/cpu", "overlays/gpu", "train", "kserve")
PROJECT = HOME.parents[1] / "pyproject.toml"

Document = dict[str, Any]


def render(directory: Path) -> list[Document]:
    """Return what `kubectl apply -k` would send; skips the test where neither kustomize nor kubectl is."""
    if shutil.which("kustomize"):
        command = ["kustomize", "build"]
    elif shutil.which("kubectl"):
        command = ["kubectl", "kustomize"]
    else:
        pytest.skip("neither kustomize nor kubectl is here: .ci/kustomize unpacks one")
    done = subprocess.run([*command, directory], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def render_readme(home: Path, *components: str) -> list[Document]:
    """Return what the overlay in README.md gives, with further components; `home` is an empty directory for it."""
    (written,) = re.findall(r"```yaml\n(.+?)```", (HOME / "README.md").read_text(), re.DOTALL)
    relative = os.path.relpath(HOME.parents[1].resolve(), home.resolve())
    kustomization = yaml.safe_load(written.replace("sluice/deploy/", f"{relative}/deploy/"))
    kustomization["components"] = [f"{relative}/deploy/kubernetes/components/{name}" for name in components]
    kustomization["images"].append({"name": "sluice-models", "newTag": "2026.1"})
    (home / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return render(home)


def files() -> Iterator[tuple[Path, Document]]:
    """Yield every object that lies in a file, as it was written."""
    for path in sorted(HOME.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield path, document


def one(documents: Iterable[Document], kind: str, name: str | None = None) -> Document:
    """Return the only object of a kind, or of a kind and name."""
    (found,) = (
        each for each in documents if each["kind"] == kind and name in (None, each["metadata"]["name"])
    )
    return found


def pods(documents: Iterable[Document]) -> list[Document]:
    """Return the pod templates."""
    return [each["spec"]["template"] for each in documents if each["kind"] in {"Deployment", "Job"}]


def containers(pod: Document) -> list[Document]:
    """Return the containers of a pod template, those that run first included."""
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def settings_of(documents: list[Document]) -> Settings:
    """Return the settings that the deployed gateway reads."""
    (gateway,) = one(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    (source,) = (each for each in gateway["envFrom"] if "configMapRef" in each)
    environment = one(documents, "ConfigMap", source["configMapRef"]["name"])["data"]
    return read(gateway.get("args", ()), environment)
