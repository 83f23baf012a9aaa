"""The configuration as it ships is one that Serve takes, with arguments that the application takes."""

import subprocess

import pytest

from tests.e2e.conftest import ROOT
from tests.ray.conftest import PYTHON

pytestmark = pytest.mark.ray

CHECK = """
from pydoc import locate
import yaml
from ray.serve.schema import ServeDeploySchema
from deploy.ray.application import Arguments
given = ServeDeploySchema.model_validate(yaml.safe_load(open("deploy/ray/serve.yaml")))
(application,) = given.applications
Arguments.model_validate(application.args)
assert callable(locate(application.import_path.replace(":", ".")))
assert all(callable(locate(name)) for name in given.grpc_options.grpc_servicer_functions)
"""


def test_serve_takes_the_configuration() -> None:
    if not PYTHON.exists():
        pytest.skip("there is no .venv-ray: `make .venv-ray/ray` makes it where Ray can be installed")
    done = subprocess.run([PYTHON, "-c", CHECK], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
