"""What the gateway's image is, asked of the image and of a container of it."""

import importlib.util
import json

import pytest

from tests.compose.stack import Stack, run

pytestmark = pytest.mark.engine

IMAGE = "sluice-gateway:0.1.0"
LIMIT_BYTES = 450e6


def test_the_image_is_smaller_than_promised(stack: Stack) -> None:
    assert int(run(["docker", "image", "inspect", "--format", "{{.Size}}", IMAGE])) < LIMIT_BYTES


def test_there_is_neither_a_training_framework_nor_a_tool_to_build_with(stack: Stack) -> None:
    names = ("tensorflow", "keras", "training", "export", "pip", "setuptools")
    look = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    assert stack.inside("gateway", "python", "-c", look).strip() == "[]"
    assert importlib.util.find_spec("tensorflow"), "the same look finds it where it is"
    tools = "for tool in gcc cc make git pip; do command -v $tool; done; true"
    assert stack.inside("gateway", "sh", "-c", tools) == ""


def test_it_runs_without_privileges(stack: Stack) -> None:
    assert stack.inside("gateway", "id", "-u").strip() == "10001"
    status = stack.inside("gateway", "cat", "/proc/1/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == ["10001"] * 4
    assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"] == "1"


def test_nothing_can_be_written_but_the_temporary_directory(stack: Stack) -> None:
    attempt = "touch /tmp/x && for d in / /app /opt/venv /models /etc; do touch $d/x && echo $d; done 2>/dev/null; true"
    assert stack.inside("gateway", "sh", "-c", attempt) == ""
    assert stack.inspect("gateway")["HostConfig"]["ReadonlyRootfs"]


def test_a_read_only_root_harms_nothing(stack: Stack) -> None:
    log = run(["sh", "-c", f"docker logs {stack.container('gateway')} 2>&1"]).splitlines()
    events = [json.loads(line) for line in log if line.startswith("{")]
    assert len(events) == len(log), "the log is one JSON object a line"
    assert [event for event in events if event.get("level") in {"warning", "error"}] == []
