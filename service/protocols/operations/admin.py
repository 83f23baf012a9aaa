"""Admin calls over HTTP on the operations port: load, unload, look now, move labels.

Knows requests and control of the repository. Knows nothing of who gets it: the gateway does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.domain import NAME_PATTERN, Call, VersionStatus
from service.errors import Invalid
from service.protocols import http, strict_json
from service.protocols.edge import CALL
from service.protocols.operations import documents

if TYPE_CHECKING:
    from service.gateway import Gateway

_NAME = re.compile(NAME_PATTERN)
_LABEL = "/admin/models/{name}/labels/{label}"


def create_routes(gateway: Gateway) -> list[Route]:
    """Return the routes below `/admin`; each answers where the versions concerned stand when it is done.

    All raise Forbidden while admin calls are switched off, Unauthenticated without the key, and what
    `service.repository.control.Control` raises.
    """

    async def load(request: Request) -> Response:
        call = _call_of(request)
        return _told(await gateway.control("load", call).load(_name(request), call.deadline_at_s))

    async def unload(request: Request) -> Response:
        call = _call_of(request)
        return _told(await gateway.control("unload", call).unload(_name(request), call.deadline_at_s))

    async def reload(request: Request) -> Response:
        call = _call_of(request)
        return _told(await gateway.control("reload", call).reload(call.deadline_at_s))

    async def set_label(request: Request) -> Response:
        call = _call_of(request)
        control = gateway.control("set_label", call)
        version = _version(await request.body())
        return _told(await control.set_label(_name(request), _label(request), version, call.deadline_at_s))

    async def remove_label(request: Request) -> Response:
        call = _call_of(request)
        control = gateway.control("remove_label", call)
        return _told(await control.remove_label(_name(request), _label(request), call.deadline_at_s))

    return [
        Route("/admin/models/{name}/load", load, methods=["POST"]),
        Route("/admin/models/{name}/unload", unload, methods=["POST"]),
        Route("/admin/reload", reload, methods=["POST"]),
        Route(_LABEL, set_label, methods=["PUT"]),
        Route(_LABEL, remove_label, methods=["DELETE"]),
    ]


def _call_of(request: Request) -> Call:
    call: Call = request.scope[CALL]
    return call


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


def _label(request: Request) -> str:
    label: str = request.path_params["label"]
    if not _NAME.fullmatch(label):
        raise Invalid(f"expected a label of the form {NAME_PATTERN}", field="label")
    return label


def _version(body: bytes) -> int:
    document = strict_json.loads(body)
    version = document.get("version")
    if document.keys() != {"version"} or type(version) is not int or not 1 <= version < 2**63:
        raise Invalid('expected {"version": NUMBER}, 1 or more, and nothing else', field="version")
    return version


def _told(statuses: tuple[VersionStatus, ...]) -> Response:
    return Response(http.printable({"models": documents.versions(statuses)}), media_type="application/json")
