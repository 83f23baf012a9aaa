"""The typed tasks over gRPC: methods from message bytes to message bytes.

Knows messages and the gateway; binding to a server is `service.protocols.rpc`'s.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from pb import tasks_pb2
from service.domain import Call
from service.protocols import rpc
from service.protocols.tasks import catalogue, messages

if TYPE_CHECKING:
    from service.gateway import Gateway

SERVICE = "sluice.v1.Inference"


def service(gateway: Gateway) -> rpc.RpcService:
    """Return the methods of `sluice.v1.Inference`."""
    methods = Methods(gateway)
    return rpc.RpcService(
        SERVICE,
        unary={
            "Classify": methods.classify,
            "Generate": methods.generate,
            "Translate": methods.translate,
            "Score": methods.score,
            "Predict": methods.predict,
            "ListModels": methods.list_models,
            "GetModel": methods.get_model,
        },
        streams={"GenerateStream": methods.generate_stream},
    )


class Methods:
    """Each method decodes, asks the gateway and encodes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def classify(self, message: bytes, call: Call) -> bytes:
        """ClassifyRequest to ClassifyReply."""
        body = rpc.parse(tasks_pb2.ClassifyRequest, message)
        request = messages.decode_classify(body)
        return messages.encode_classify(
            await self._gateway.classify(messages.decode_ref(body), request, call)
        )

    async def generate(self, message: bytes, call: Call) -> bytes:
        """GenerateRequest to GenerateReply."""
        body = rpc.parse(tasks_pb2.GenerateRequest, message)
        request = messages.decode_generate(body)
        return messages.encode_generate(
            await self._gateway.generate(messages.decode_ref(body), request, call)
        )

    async def generate_stream(self, message: bytes, call: Call) -> AsyncGenerator[bytes, None]:
        """GenerateRequest to TextChunks; closing this frees the slot."""
        body = rpc.parse(tasks_pb2.GenerateRequest, message)
        request = messages.decode_generate(body)
        stream = self._gateway.generate_stream(messages.decode_ref(body), request, call)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                yield messages.encode_chunk(chunk)

    async def translate(self, message: bytes, call: Call) -> bytes:
        """TranslateRequest to TranslateReply."""
        body = rpc.parse(tasks_pb2.TranslateRequest, message)
        request = messages.decode_translate(body)
        return messages.encode_translate(
            await self._gateway.translate(messages.decode_ref(body), request, call)
        )

    async def score(self, message: bytes, call: Call) -> bytes:
        """ScoreRequest to ScoreReply."""
        body = rpc.parse(tasks_pb2.ScoreRequest, message)
        request = messages.decode_score(body)
        return messages.encode_score(await self._gateway.score(messages.decode_ref(body), request, call))

    async def predict(self, message: bytes, call: Call) -> bytes:
        """PredictRequest to PredictReply."""
        body = rpc.parse(tasks_pb2.PredictRequest, message)
        request = messages.decode_predict(body)
        return messages.encode_predict(await self._gateway.predict(messages.decode_ref(body), request, call))

    async def list_models(self, message: bytes, _: Call) -> bytes:
        """ListModelsRequest to ListModelsReply."""
        rpc.parse(tasks_pb2.ListModelsRequest, message)
        return catalogue.encode_models(self._gateway.models())

    async def get_model(self, message: bytes, _: Call) -> bytes:
        """GetModelRequest to GetModelReply."""
        body = rpc.parse(tasks_pb2.GetModelRequest, message)
        return catalogue.encode_model(*self._gateway.describe(messages.decode_ref(body)))
