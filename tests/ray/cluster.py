"""A Ray cluster of two nodes on this machine that runs the application: `python -m tests.ray.cluster ARGUMENTS_JSON`.

Runs in `.venv-ray`. Writes its ports as one line of JSON, then answers each line that it reads with one line:
`status` the replicas by deployment and the number of nodes, `kill` the second node ends as by SIGKILL, `add` one
more node. It ends with its input, and so does every process that it started.
"""

import json
import logging
import os
import sys
from typing import Any

import ray
from ray import serve
from ray.cluster_utils import Cluster
from ray.serve.config import gRPCOptions

from deploy.ray.application import build

NODE = {"num_cpus": 4, "object_store_memory": 100_000_000, "include_dashboard": False}
"""Cores as Ray counts them: what replicas ask for, and how many workers it starts ahead; not what there is."""
SERVICES = "deploy.ray.rpcs.add_services"


def main() -> None:
    given = json.loads(sys.argv[1])
    # Whoever drives this reads one line an answer: what Ray and its workers print goes to the log.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    second = cluster.add_node(**NODE)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.WARNING)
    try:
        serve.start(
            proxy_location="EveryNode",
            http_options={"host": "127.0.0.1", "port": given["http_port"]},
            grpc_options=gRPCOptions(
                port=given["grpc_port"], grpc_servicer_functions=[SERVICES], enable_reflection=True
            ),
        )
        serve.run(build(given["args"]))
        _tell(answers, "running")
        for line in sys.stdin:
            if line == "kill\n":
                cluster.remove_node(second, allow_graceful=False)
            elif line == "add\n":
                second = cluster.add_node(**NODE)
            _tell(answers, _status())
    finally:
        ray.shutdown()
        cluster.shutdown()


def _status() -> dict[str, Any]:
    status = serve.status()
    deployments = status.applications["default"].deployments
    return {
        "replicas": {name: each.replica_states.get("RUNNING", 0) for name, each in deployments.items()},
        "proxies": sum(state == "HEALTHY" for state in status.proxies.values()),
        "application": str(status.applications["default"].status.value),
    }


def _tell(answers: Any, answer: object) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
