"""The protocol over gRPC: methods from message bytes to message bytes.

Knows messages and the gateway; binding to a server is `service.protocols.rpc`'s.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict

from pb import oip_pb2
from service.domain import Call, ModelRef
from service.errors import ServiceError, Unsupported
from service.protocols import rpc
from service.protocols.oip import catalogue, generation, messages, registration, text_answer
from service.protocols.oip.asking import EMPTY_FINAL_RESPONSE, Asked, flag
from service.protocols.oip.draining import until_draining
from service.protocols.oip.inference import Inferred, infer
from service.protocols.oip.intake import Intake
from service.protocols.oip.loading import carry_out
from service.protocols.oip.reference import model_ref, naming
from service.protocols.oip.shared_memory import SharedMemory

if TYPE_CHECKING:
    from service.gateway import Gateway

SERVICE = "inference.GRPCInferenceService"


def service(gateway: Gateway, shared_memory: SharedMemory | None = None) -> rpc.RpcService:
    """Return the methods of `inference.GRPCInferenceService`."""
    methods = Methods(gateway, shared_memory)
    regions = registration.Methods(shared_memory)
    return rpc.RpcService(
        SERVICE,
        unary={
            "ServerLive": methods.server_live,
            "ServerReady": methods.server_ready,
            "ModelReady": methods.model_ready,
            "ServerMetadata": methods.server_metadata,
            "ModelMetadata": methods.model_metadata,
            "ModelInfer": methods.model_infer,
            "ModelConfig": methods.model_config,
            "ModelStatistics": methods.model_statistics,
            "RepositoryIndex": methods.repository_index,
            "RepositoryModelLoad": methods.load,
            "RepositoryModelUnload": methods.unload,
            "TraceSetting": methods.trace_setting,
            "LogSettings": methods.log_settings,
            "SystemSharedMemoryStatus": regions.status,
            "SystemSharedMemoryRegister": regions.register,
            "SystemSharedMemoryUnregister": regions.unregister,
            "CudaSharedMemoryStatus": regions.cuda_status,
            "CudaSharedMemoryRegister": regions.cuda_register,
            "CudaSharedMemoryUnregister": regions.cuda_unregister,
        },
        streams={},
        duplex={"ModelStreamInfer": methods.model_stream_infer},
        patient=frozenset({"RepositoryModelLoad", "RepositoryModelUnload"}),
    )


class Methods:
    """Each method decodes, asks the gateway and encodes."""

    def __init__(self, gateway: Gateway, shared_memory: SharedMemory | None) -> None:
        self._gateway = gateway
        self._shared_memory = shared_memory

    async def server_live(self, message: bytes, _: Call) -> bytes:
        """ServerLiveRequest to ServerLiveResponse."""
        rpc.parse(oip_pb2.ServerLiveRequest, message)
        return _bytes(oip_pb2.ServerLiveResponse(live=True))

    async def server_ready(self, message: bytes, _: Call) -> bytes:
        """ServerReadyRequest to ServerReadyResponse."""
        rpc.parse(oip_pb2.ServerReadyRequest, message)
        return _bytes(oip_pb2.ServerReadyResponse(ready=self._gateway.ready()))

    async def model_ready(self, message: bytes, _: Call) -> bytes:
        """ModelReadyRequest to ModelReadyResponse."""
        ready = catalogue.is_ready(self._gateway, _ref(rpc.parse(oip_pb2.ModelReadyRequest, message)))
        return _bytes(oip_pb2.ModelReadyResponse(ready=ready))

    async def server_metadata(self, message: bytes, _: Call) -> bytes:
        """ServerMetadataRequest to ServerMetadataResponse."""
        rpc.parse(oip_pb2.ServerMetadataRequest, message)
        return _filled(
            oip_pb2.ServerMetadataResponse, registration.server(self._gateway, self._shared_memory)
        )

    async def model_metadata(self, message: bytes, _: Call) -> bytes:
        """ModelMetadataRequest to ModelMetadataResponse."""
        ref = _ref(rpc.parse(oip_pb2.ModelMetadataRequest, message))
        return _filled(oip_pb2.ModelMetadataResponse, catalogue.model(self._gateway, ref))

    async def model_config(self, message: bytes, _: Call) -> bytes:
        """ModelConfigRequest to ModelConfigResponse."""
        ref = _ref(rpc.parse(oip_pb2.ModelConfigRequest, message))
        return _filled(oip_pb2.ModelConfigResponse, {"config": catalogue.config(self._gateway, ref)})

    async def model_statistics(self, message: bytes, _: Call) -> bytes:
        """ModelStatisticsRequest to ModelStatisticsResponse; without a name, of all models."""
        body = rpc.parse(oip_pb2.ModelStatisticsRequest, message)
        found = catalogue.statistics(self._gateway, _ref(body) if body.name else ModelRef())
        return _filled(oip_pb2.ModelStatisticsResponse, {"model_stats": found})

    async def repository_index(self, message: bytes, _: Call) -> bytes:
        """RepositoryIndexRequest to RepositoryIndexResponse."""
        body = rpc.parse(oip_pb2.RepositoryIndexRequest, message)
        if body.repository_name:
            raise Unsupported("'repository_name' specification is not supported", field="repository_name")
        found = catalogue.index(self._gateway, only_ready=body.ready)
        return _filled(oip_pb2.RepositoryIndexResponse, {"models": found})

    async def load(self, message: bytes, call: Call) -> bytes:
        """RepositoryModelLoadRequest to RepositoryModelLoadResponse, for who shows the key."""
        control = self._gateway.control("load", call)
        body = rpc.parse(oip_pb2.RepositoryModelLoadRequest, message)
        name = _to_load(body)
        await carry_out(control, "load", name, _plain(body.parameters), call.deadline_at_s)
        return _bytes(oip_pb2.RepositoryModelLoadResponse(model_name=name, isLoaded=True))

    async def unload(self, message: bytes, call: Call) -> bytes:
        """RepositoryModelUnloadRequest to RepositoryModelUnloadResponse, for who shows the key."""
        control = self._gateway.control("unload", call)
        body = rpc.parse(oip_pb2.RepositoryModelUnloadRequest, message)
        name = _to_load(body)
        await carry_out(control, "unload", name, _plain(body.parameters), call.deadline_at_s)
        return _bytes(oip_pb2.RepositoryModelUnloadResponse(model_name=name, isUnloaded=True))

    async def trace_setting(self, message: bytes, _: Call) -> bytes:
        """TraceSettingRequest without settings to TraceSettingResponse."""
        body = rpc.parse(oip_pb2.TraceSettingRequest, message)
        if body.settings:
            raise Unsupported("trace settings cannot be changed here", field="settings")
        if body.model_name:
            ref = model_ref(body.model_name, "")
            with naming(ref):
                self._gateway.describe(ref)
        lists = {
            name: {"value": [value] if isinstance(value, str) else value}
            for name, value in catalogue.TRACE_SETTINGS.items()
        }
        return _filled(oip_pb2.TraceSettingResponse, {"settings": lists})

    async def log_settings(self, message: bytes, _: Call) -> bytes:
        """LogSettingsRequest without settings to LogSettingsResponse."""
        body = rpc.parse(oip_pb2.LogSettingsRequest, message)
        if body.settings:
            raise Unsupported("log settings cannot be changed here", field="settings")
        kinds = {bool: "bool_param", int: "uint32_param", str: "string_param"}
        settings = {name: {kinds[type(value)]: value} for name, value in catalogue.log_settings().items()}
        return _filled(oip_pb2.LogSettingsResponse, {"settings": settings})

    async def model_infer(self, message: bytes, call: Call) -> bytes:
        """ModelInferRequest to ModelInferResponse."""
        ref, asked = self._request(rpc.parse(oip_pb2.ModelInferRequest, message))
        return _bytes(messages.encode(await self._answer(ref, asked, call)))

    async def model_stream_infer(
        self, given: AsyncIterator[tuple[bytes, Call]]
    ) -> AsyncGenerator[bytes, None]:
        """ModelInferRequests to ModelStreamInferResponses; what fails is told, and the stream goes on."""
        async with aclosing(until_draining(given, self._gateway)) as requests:
            async for message, call in requests:
                request_id = ""
                try:
                    body = rpc.parse(oip_pb2.ModelInferRequest, message)
                    request_id = body.id
                    async with aclosing(self._pieces(*self._request(body), call)) as pieces:
                        async for piece in pieces:
                            yield _bytes(oip_pb2.ModelStreamInferResponse(infer_response=piece))
                except ServiceError as error:
                    failed = oip_pb2.ModelInferResponse(id=request_id)
                    told = oip_pb2.ModelStreamInferResponse(
                        error_message=_printable(error.message), infer_response=failed
                    )
                    yield _bytes(told)

    def _request(self, body: Any) -> tuple[ModelRef, Asked]:
        asked = messages.decode(body, Intake(self._shared_memory))
        return model_ref(body.model_name, body.model_version), asked

    async def _answer(self, ref: ModelRef, asked: Asked, call: Call) -> Inferred:
        if generation.means_text(self._gateway, ref, asked):
            return await text_answer.answer(self._gateway, ref, asked, call)
        return await infer(self._gateway, ref, asked, call)

    async def _pieces(self, ref: ModelRef, asked: Asked, call: Call) -> AsyncGenerator[Any, None]:
        """Yield the responses to one request of a stream; the last says so."""
        empty_last = flag(asked.parameters, EMPTY_FINAL_RESPONSE)
        if not generation.means_text(self._gateway, ref, asked):
            answer = await infer(self._gateway, ref, asked, call)
            yield messages.encode(answer, triton_final_response=True)
            return
        async with aclosing(text_answer.answers(self._gateway, ref, asked, call)) as answers:
            async for answer, last in answers:
                yield messages.encode(answer, triton_final_response=last and not empty_last)
        if empty_last:
            nothing = Inferred(answer.model, asked.id, (), answer.timing)
            yield messages.encode(nothing, triton_final_response=True)


def _ref(body: Any) -> ModelRef:
    return model_ref(body.name, body.version)


def _to_load(body: Any) -> str:
    """Return the name of the model; KServe's message has it where Triton's has a repository's."""
    if body.model_name and body.repository_name:
        raise Unsupported("'repository_name' specification is not supported", field="repository_name")
    name: str = body.model_name or body.repository_name
    return name


def _plain(parameters: Any) -> dict[str, Any]:
    return {
        name: getattr(value, value.WhichOneof("parameter_choice") or "", None)
        for name, value in parameters.items()
    }


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _filled(kind: Any, values: dict[str, Any]) -> bytes:
    return _bytes(ParseDict(values, kind()))


def _bytes(message: Any) -> bytes:
    serialized: bytes = message.SerializeToString()
    return serialized
