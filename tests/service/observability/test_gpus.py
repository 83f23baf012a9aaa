"""What the GPUs tell, with a library that answers as NVML does."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from service.observability import gpus


class NVMLError(Exception):
    pass


class Nvml:
    """Two GPUs; the second is cut into parts, which have no load."""

    NVMLError = NVMLError

    def __init__(self, *, driver: bool = True) -> None:
        self.driver = driver

    def nvmlInit(self) -> None:  # noqa: N802  # NVML's name
        if not self.driver:
            raise NVMLError

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802  # NVML's name
        if not self.driver:
            raise NVMLError
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802  # NVML's name
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802  # NVML's name
        return f"GPU-{handle}"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802  # NVML's name
        return SimpleNamespace(total=1000, used=250 * (handle + 1))

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802  # NVML's name
        if handle == 1:
            raise NVMLError
        return SimpleNamespace(gpu=40)


def registry(nvml: Nvml) -> CollectorRegistry:
    found = CollectorRegistry()
    found.register(gpus.Gpus(nvml))
    return found


def test_memory_and_load_of_each() -> None:
    found = registry(Nvml())
    first, second = {"gpu": "0", "uuid": "GPU-0"}, {"gpu": "1", "uuid": "GPU-1"}
    assert found.get_sample_value("sluice_gpu_memory_bytes", first) == 1000
    assert found.get_sample_value("sluice_gpu_memory_used_bytes", first) == 250
    assert found.get_sample_value("sluice_gpu_utilization_ratio", first) == 0.4
    assert found.get_sample_value("sluice_gpu_memory_used_bytes", second) == 500
    assert found.get_sample_value("sluice_gpu_utilization_ratio", second) is None


def test_a_driver_that_goes_away_leaves_nothing_to_tell_and_harms_nothing() -> None:
    nvml = Nvml()
    found = registry(nvml)
    nvml.driver = False
    assert found.get_sample_value("sluice_gpu_memory_bytes", {"gpu": "0", "uuid": "GPU-0"}) is None


def test_without_a_driver_there_is_nothing_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(driver=False))
    assert gpus.find() is None
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    assert gpus.find() is not None


def test_without_the_library_there_is_nothing_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpus.find() is None
