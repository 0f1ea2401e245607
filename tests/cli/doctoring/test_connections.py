"""`Connections`: which requests were served by a connection that was there, over real sockets."""

from __future__ import annotations

import pytest
from support.rawserver import RawServer, answer

from openai_async import APIConnectionError, AsyncOpenAI
from openai_async.cli.doctoring.connections import Connections
from openai_async.transport.session import AiohttpTransport

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEPT = answer({})
CLOSED = answer({}, headers={"connection": "close"})


async def hang_up(peer):
    """Close the connection instead of answering."""
    peer.reset()


@pytest.mark.parametrize(("handlers", "reused"), [
    ([KEPT], False),
    ([KEPT, KEPT], True),
    ([CLOSED, CLOSED], False),
    ([CLOSED, KEPT, KEPT], True),
    ([KEPT, CLOSED], True),
    ([hang_up, KEPT], False),
    ([hang_up, KEPT, KEPT], True),
])  # fmt: skip
async def test_reuse(handlers, reused):
    """It is reuse when a request finds a connection that an answered one left; one that fails leaves none."""
    async with RawServer(*handlers) as server:
        connections = Connections(AiohttpTransport())
        async with AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0, transport=connections) as client:
            assert not connections.reused
            for handler in handlers:
                if handler is hang_up:
                    with pytest.raises(APIConnectionError):
                        await client.get("/models")
                else:
                    await client.get("/models")

    assert connections.reused == reused
    assert server.connections == len(handlers) - reused
    assert connections.closed
