"""What the GPUs of this machine say of their memory and load.

Knows NVML by `nvidia-ml-py`, which comes with the `gpu` extra. Without it, or without a driver, there is nothing to
tell and nothing is told. Seen are the GPUs of the machine or container, whoever uses them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

LABELS = ("gpu", "uuid")


class Gpus(Collector):
    """All GPUs that `nvml`, an initialised `pynvml`, can see."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml

    def collect(self) -> Iterator[Metric]:
        """Yield memory and load of each GPU that answers."""
        total = GaugeMetricFamily("sluice_gpu_memory_bytes", "Memory of a GPU.", labels=LABELS)
        used = GaugeMetricFamily(
            "sluice_gpu_memory_used_bytes", "Memory of a GPU that is in use, by whomever.", labels=LABELS
        )
        load = GaugeMetricFamily(
            "sluice_gpu_utilization_ratio", "Share of the time in which a GPU ran a kernel.", labels=LABELS
        )
        for index in range(self._count()):
            try:
                handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
                labels = [str(index), str(self._nvml.nvmlDeviceGetUUID(handle))]
                memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
                total.add_metric(labels, memory.total)
                used.add_metric(labels, memory.used)
                load.add_metric(labels, self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
            except self._nvml.NVMLError:
                continue  # parts of a GPU have no load of their own, and one that is lost has nothing
        yield from (total, used, load)

    def _count(self) -> int:
        try:
            return int(self._nvml.nvmlDeviceGetCount())
        except self._nvml.NVMLError:
            return 0


def find() -> Gpus | None:
    """Return the GPUs there are to watch, None without driver or library."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return Gpus(nvml)
