"""Train as one of several machines.

Knows who keeps the run and who works on a copy, nothing of how batches are shared.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from training.cluster import Cluster
from training.errors import StrategyError
from training.job import Job, Settings
from training.run import Run
from training.sharing import agree, among, hand_out, leave
from training.train import train_exclusively


def train_among(
    job: Job[Any, Any], settings: Settings, cluster: Cluster, choose: Callable[[], Run], console: Console
) -> Run | None:
    """Train until the run that the chief chooses is complete, and return it to the chief; None to all others.

    Waits until all workers are there. Raises StrategyError, for every worker, if they were started for different
    trainings, and WorkerLost if one goes away.
    """
    run = choose() if cluster.is_chief else None
    others = len(cluster.addresses) - 1
    console.print(f"worker {cluster.index}; waiting for {others} more", highlight=False)
    sharing = among(cluster)
    if not agree(sharing, json.dumps([job.name, settings.model_dump(mode="json")], sort_keys=True)):
        if run is not None and run.record.data is None:
            run.discard()
        raise StrategyError("the workers were not all started with the same job and settings")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) if run is None else run.path
        hand_out(sharing, path)
        here = Run.open(path)
        if not here.complete:
            here = train_exclusively(job, here, settings, console if run else Console(quiet=True), sharing)
        leave(sharing)
        return here if run else None
