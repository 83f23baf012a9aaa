"""Three gateways behind the balancer: what a rolling restart loses (nothing), and what a kill loses."""

from collections.abc import Iterator

import pytest

from tests.compose.stack import GATEWAYS, ROOT, Stack, run, wait_for
from tests.compose.traffic import Traffic
from tests.e2e.conftest import MODELS

pytestmark = pytest.mark.engine

READY_WITHIN_S = 90.0


@pytest.fixture(scope="module")
def three(stack: Stack) -> Iterator[Stack]:
    """The same models, with scale.env."""
    stack.env_file = "scale.env"
    stack.compose("up", "--detach")
    wait_for(lambda: all(stack.health(each) == "healthy" for each in (*GATEWAYS, "balancer")), READY_WITHIN_S)
    wait_for(lambda: stack.models() == set(MODELS), READY_WITHIN_S)
    yield stack
    stack.env_file = ".env"


def warm(traffic: Traffic, requests: int) -> None:
    """Wait until so many more have been answered."""
    enough = traffic.total() + requests
    wait_for(lambda: traffic.total() >= enough, 60)


def test_every_gateway_gets_its_share_of_both_wires(three: Stack) -> None:
    with Traffic(three) as traffic:
        warm(traffic, 300)
    assert not traffic.lost
    for service in GATEWAYS:
        look = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8002/metrics').read().decode())"
        counts = [
            line
            for line in three.inside(service, "python", "-c", look).splitlines()
            if line.startswith("sluice_request_duration_seconds_count") and 'outcome="ok"' in line
        ]
        assert {"grpc", "rest"} <= {line.split('protocol="')[1].split('"')[0] for line in counts}


def test_prometheus_sees_the_three_and_the_balancer(three: Stack) -> None:
    up = {f"{service}:8002": 1.0 for service in GATEWAYS} | {"balancer:8404": 1.0}
    # What the one before had counted stays in sight for five minutes: ask for these only.
    wait_for(lambda: three.query('up{job=~"gateway|balancer"}').items() >= up.items(), READY_WITHIN_S)


def test_a_rolling_restart_under_load_loses_no_request(three: Stack) -> None:
    before = {service: three.container(service) for service in GATEWAYS}
    with Traffic(three) as traffic:
        warm(traffic, 50)
        run([str(ROOT / "deploy" / "rolling-restart")], env=three.environment, limit_s=300)
        warm(traffic, 50)
    assert not traffic.lost
    assert len(traffic.answered) == 4
    assert traffic.answered.total() > 500
    assert all(three.container(service) != before[service] for service in GATEWAYS)


def test_a_killed_gateway_loses_at_most_what_it_had_in_hand(three: Stack) -> None:
    with Traffic(three) as traffic:
        warm(traffic, 50)
        run(["docker", "kill", three.container(GATEWAYS[0])])
        warm(traffic, 200)
        three.compose("up", "--detach", "--no-deps", GATEWAYS[0])
        wait_for(lambda: three.health(GATEWAYS[0]) == "healthy", READY_WITHIN_S)
        warm(traffic, 50)
    # Every caller has one request under way: who lost one lost it then, and none since.
    assert max(traffic.lost_by_caller.values(), default=0) <= 1, traffic.lost
    assert not [reason for reason in traffic.lost if "503" in reason or "DEADLINE" in reason], traffic.lost
