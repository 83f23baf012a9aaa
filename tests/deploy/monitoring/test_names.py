"""Rules, dashboards and runbook speak of metrics, labels and alerts that there are."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from deploy.monitoring.dashboards import ALL
from service.observability import gpus
from service.observability.families import Families

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "prometheus" / "rules"
GROUPS: list[dict[str, Any]] = [
    group for path in sorted(RULES.glob("*.yaml")) for group in yaml.safe_load(path.read_text())["groups"]
]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
RECORDED = {rule["record"]: rule["expr"] for group in GROUPS for rule in group["rules"] if "record" in rule}
TARGET = {"job", "instance"}
"""What Prometheus itself puts on everything that it reads."""
PROMETHEUS_OWN = {"up": TARGET, "ALERTS": TARGET | {"alertname", "alertstate", "severity"}}

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{([^}]*)\})?")
_LABELS = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "Inf"}


class NoNvml:
    """No GPU: only the names count."""

    NVMLError = OSError

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802  # NVML's name
        return 0


def exposed() -> dict[str, set[str]]:
    """The code's own list: every series that a gateway may tell, and its labels."""
    families = Families()
    names: dict[str, set[str]] = {}
    for metric in families.registry.collect():  # those of the process have no labels
        _add(names, metric.name, metric.type, TARGET)
    for member in vars(families).values():
        if isinstance(member, Counter | Gauge | Histogram):
            _add(names, member._name, member._type, set(member._labelnames) | TARGET)
    registry = CollectorRegistry()
    registry.register(gpus.Gpus(NoNvml()))
    for metric in registry.collect():
        _add(names, metric.name, metric.type, TARGET | set(gpus.LABELS))
    return names


def _add(names: dict[str, set[str]], name: str, kind: str, labels: set[str]) -> None:
    if kind == "histogram":
        names[f"{name}_bucket"] = labels | {"le"}
        names[f"{name}_sum"] = names[f"{name}_count"] = labels
    else:
        names[f"{name}_total" if kind == "counter" else name] = labels


KNOWN = exposed() | PROMETHEUS_OWN | {name: {"model"} for name in RECORDED}


def wrong(expression: str) -> list[str]:
    """What an expression speaks of and there is not: names, and labels in their selectors."""
    bare = _LABELS.sub(" ", re.sub(r"\[[^\]]*\]", " ", _STRING.sub("''", expression)))
    found = []
    for match in _SELECTOR.finditer(bare):
        name, selector = match.groups()
        function = bare[match.end() :].lstrip().startswith("(")
        if name in _WORDS or function or re.search(r"[0-9.]$", bare[: match.start()]):
            continue
        if name not in KNOWN:
            found.append(name)
            continue
        labels = set(re.findall(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)", selector or ""))
        found += [f"{name}{{{label}}}" for label in labels - KNOWN[name]]
    every = set().union(*KNOWN.values())
    for _, listed in _LABELS.findall(expression):
        found += [label for label in re.findall(r"\w+", listed) if label not in every]
    return found


def rules() -> Iterator[Any]:
    for name, expression in RECORDED.items():
        yield pytest.param(expression, id=name)
    for name, rule in ALERTS.items():
        yield pytest.param(rule["expr"], id=name)


def panels() -> Iterator[Any]:
    for path in sorted((MONITORING / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")


def choices() -> Iterator[Any]:
    for dashboard in ALL:
        for variable in dashboard.variables:
            yield pytest.param(variable.values, id=f"{dashboard.uid}: {variable.name}")


@pytest.mark.parametrize("expression", [*rules(), *panels()])
def test_every_metric_and_label_is_in_the_codes_own_list(expression: str) -> None:
    assert wrong(expression) == []


@pytest.mark.parametrize("values", [*choices()])
def test_every_choice_is_of_a_metric_and_a_label_that_there_are(values: str) -> None:
    match = re.fullmatch(r"label_values\((\w+), (\w+)\)", values)
    assert match is not None
    assert match[2] in KNOWN[match[1]]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("rate(sluice_tokens_totally[5m])", ["sluice_tokens_totally"]),
        ('sum by (model) (sluice_queue_depth{modell="x"})', ["sluice_queue_depth{modell}"]),
        ("sum by (modell) (sluice_queue_depth)", ["modell"]),
        ("sluice_request_duration_seconds > 14.4 * 1e3", ["sluice_request_duration_seconds"]),
        ('sum(sluice:requests:rate5m{model!="sluice_nothing"}) or vector(0)', []),
    ],
)
def test_the_test_itself_finds_what_there_is_not(expression: str, found: list[str]) -> None:
    assert wrong(expression) == found


def test_the_dashboards_are_what_their_source_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.monitoring.dashboards", "--check"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def test_dashboards_have_names_and_panels_of_their_own_that_fit() -> None:
    assert len({each.uid for each in ALL}) == len({each.title for each in ALL}) == len(ALL)
    for path in sorted((MONITORING / "grafana" / "dashboards").glob("*.json")):
        document = json.loads(path.read_text())
        ids = [panel["id"] for panel in document["panels"]]
        assert len(set(ids)) == len(ids)
        places = [panel["gridPos"] for panel in document["panels"]]
        taken = [
            (x, y)
            for place in places
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(set(taken)) == len(taken)
        assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_how_bad_it_is_and_has_a_paragraph_and_a_test(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"RUNBOOK.md#{name.lower()}"
    headings = re.findall(r"^#+ (.*)$", (MONITORING / "RUNBOOK.md").read_text(), re.MULTILINE)
    assert name in headings
    tests = "".join(path.read_text() for path in sorted((MONITORING / "prometheus" / "tests").glob("*.yaml")))
    assert re.search(rf"\b{name}\b", tests)


def test_the_runbook_speaks_of_no_alert_that_there_is_not() -> None:
    headings = re.findall(r"^### (.*)$", (MONITORING / "RUNBOOK.md").read_text(), re.MULTILINE)
    assert set(headings) == set(ALERTS)


def test_prometheus_reads_all_rules() -> None:
    configuration = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yaml").read_text())
    assert configuration["rule_files"] == ["/etc/prometheus/rules/*.yaml"]
