"""The clients that the contestants read with, each opened on an origin (`http://127.0.0.1:1234`), and what they ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["MESSAGES", "aiohttp_session", "official_client", "official_client_on_aiohttp", "our_client"]

MESSAGES: Any = [
    {"role": "system", "content": "You are a helpful assistant. Answer in one paragraph."},
    {"role": "user", "content": "Why do large language models stream their answers token by token?"},
]


@asynccontextmanager
async def official_client(origin: str) -> AsyncIterator[Any]:
    """The official SDK's client as it comes, with its default transport."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key="k", base_url=f"{origin}/v1") as client:
        yield client


@asynccontextmanager
async def official_client_on_aiohttp(origin: str) -> AsyncIterator[Any]:
    """The official SDK's client on its other transport, which its documentation names for much concurrency."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    async with AsyncOpenAI(api_key="k", base_url=f"{origin}/v1", http_client=DefaultAioHttpClient()) as client:
        yield client


@asynccontextmanager
async def our_client(origin: str, *, limit: int = 1000) -> AsyncIterator[Any]:
    """Our client as it comes, with so many connections at most."""
    from openai_async import AsyncOpenAI

    async with AsyncOpenAI(api_key="k", base_url=f"{origin}/v1", limit=limit) as client:
        yield client


@asynccontextmanager
async def aiohttp_session(origin: str, *, limit: int = 100) -> AsyncIterator[Any]:
    """A bare session of aiohttp's, with so many connections at most; 0: any number."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=limit)
    async with aiohttp.ClientSession(origin, connector=connector, headers={"authorization": "Bearer k"}) as session:
        yield session
