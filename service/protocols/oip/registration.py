"""What clients ask of shared memory itself: which regions there are, a new one, one less.

Knows both wires' forms of the three. Knows no tensor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict

from pb import oip_pb2
from service.domain import Call
from service.errors import Invalid, NotFound, ServiceError, Unsupported
from service.protocols import rpc
from service.protocols.oip import bodies, catalogue
from service.protocols.oip.asking import whole_number
from service.protocols.oip.reply import Reply, document
from service.protocols.oip.routes import Route
from service.protocols.oip.shared_memory import Region, SharedMemory

if TYPE_CHECKING:
    from service.gateway import Gateway

EXTENSION = "system_shared_memory"
_HIGHEST = 2**63 - 1


def not_enabled() -> ServiceError:
    """Return the answer to whoever asks while it is off."""
    return Unsupported("system shared memory is not enabled on this server")


def server(gateway: Gateway, shared_memory: SharedMemory | None) -> dict[str, Any]:
    """Return what the server says of itself, this extension included if it is on."""
    told = catalogue.server(gateway)
    if shared_memory is not None:
        told["extensions"].append(EXTENSION)
    return told


def no_cuda() -> ServiceError:
    """Return the answer to whoever wants to register memory of a GPU."""
    return Unsupported("CUDA shared memory is not served")


def answer(shared_memory: SharedMemory | None, route: Route, body: bytes) -> Reply:
    """Return the answer over REST; raises ServiceError."""
    if shared_memory is None:
        raise not_enabled()
    if route.action.startswith("cuda"):
        return _answer_cuda(route)
    if route.action == "region_status":
        return document([_values(region) for region in shared_memory.regions(route.name)])
    if route.action == "region_register":
        given = bodies.parse(body)
        if type(given.get("key")) is not str:
            raise Invalid("Shared memory register request has no 'key' field", field="key")
        offset, byte_size = (whole_number(given, name, _HIGHEST, "body") for name in ("offset", "byte_size"))
        shared_memory.register(route.name, given["key"], offset, byte_size)
    else:
        shared_memory.unregister(route.name)
    return Reply(b"")


def _answer_cuda(route: Route) -> Reply:
    """Return the answer where there never is a region: clients take leave of both kinds at once."""
    if route.action == "cuda_register":
        raise no_cuda()
    if route.action == "cuda_unregister":
        return Reply(b"")
    if route.name:
        raise NotFound("Unable to find cuda shared memory region", field="name")
    return document([])


def _values(region: Region) -> dict[str, Any]:
    return {
        "name": region.name,
        "key": region.key,
        "offset": region.offset,
        "byte_size": region.byte_size,
    }


class Methods:
    """The same over gRPC."""

    def __init__(self, shared_memory: SharedMemory | None) -> None:
        self._shared_memory = shared_memory

    async def status(self, message: bytes, _: Call) -> bytes:
        """SystemSharedMemoryStatusRequest to SystemSharedMemoryStatusResponse."""
        body = rpc.parse(oip_pb2.SystemSharedMemoryStatusRequest, message)
        regions = {each.name: _values(each) for each in self._enabled().regions(body.name)}
        told = ParseDict({"regions": regions}, oip_pb2.SystemSharedMemoryStatusResponse())
        return bytes(told.SerializeToString())

    async def register(self, message: bytes, _: Call) -> bytes:
        """SystemSharedMemoryRegisterRequest to SystemSharedMemoryRegisterResponse."""
        body = rpc.parse(oip_pb2.SystemSharedMemoryRegisterRequest, message)
        self._enabled().register(body.name, body.key, body.offset, body.byte_size)
        return b""

    async def unregister(self, message: bytes, _: Call) -> bytes:
        """SystemSharedMemoryUnregisterRequest to SystemSharedMemoryUnregisterResponse."""
        body = rpc.parse(oip_pb2.SystemSharedMemoryUnregisterRequest, message)
        self._enabled().unregister(body.name)
        return b""

    async def cuda_status(self, message: bytes, _: Call) -> bytes:
        """CudaSharedMemoryStatusRequest to CudaSharedMemoryStatusResponse."""
        self._enabled()
        if rpc.parse(oip_pb2.CudaSharedMemoryStatusRequest, message).name:
            raise NotFound("Unable to find cuda shared memory region", field="name")
        return b""

    async def cuda_register(self, message: bytes, _: Call) -> bytes:  # noqa: ARG002  # whatever it says
        """Raise Unsupported."""
        raise no_cuda()

    async def cuda_unregister(self, message: bytes, _: Call) -> bytes:
        """CudaSharedMemoryUnregisterRequest to CudaSharedMemoryUnregisterResponse."""
        self._enabled()
        rpc.parse(oip_pb2.CudaSharedMemoryUnregisterRequest, message)
        return b""

    def _enabled(self) -> SharedMemory:
        if self._shared_memory is None:
            raise not_enabled()
        return self._shared_memory
