"""The metrics on the public port, for scrapers that look there."""

from __future__ import annotations

import httpx

from service.protocols.limits import WireLimits
from service.protocols.operations import scrape
from service.protocols.servers import create_http_app
from tests.support.gateway import FakeGateway

PATH = "/monitoring/prometheus/metrics"


async def test_they_are_at_one_path_and_no_other_operation_is() -> None:
    app = create_http_app(FakeGateway(), WireLimits(), scrape.wire(PATH, lambda: b"up 1\n"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        answer = await http.get(PATH)
        assert (answer.status_code, answer.text) == (200, "up 1\n")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        head = await http.head(PATH)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")
        assert (await http.post(PATH)).status_code == 404
        for other in ("/metrics", "/readyz", "/healthz", f"{PATH}/", "/monitoring"):
            assert (await http.get(other)).status_code == 404
