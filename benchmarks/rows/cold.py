"""A fresh process up to its first streamed answer: what a command, a function in the cloud, a new worker waits for."""

from __future__ import annotations

from benchmarks.row import Goal, Row, Script

__all__ = ["ROW"]

_SDK = """
import asyncio
from {package} import AsyncOpenAI

async def main():
    async with AsyncOpenAI(api_key="k", base_url=ORIGIN + "/v1") as client:
        stream = await client.chat.completions.create(
            model="text-20", messages=[{{"role": "user", "content": "Hello"}}], stream=True
        )
        text = ""
        async for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
    assert text

asyncio.run(main())
"""

_BY_HAND = """
import asyncio
import aiohttp
import anyio
import msgspec

async def main():
    request = msgspec.json.encode({"model": "text-20", "messages": [{"role": "user", "content": "Hello"}]})
    text = ""
    async with aiohttp.ClientSession(ORIGIN) as session:
        async with session.post("/v1/chat/completions", data=request) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    for choice in msgspec.json.decode(line[6:])["choices"]:
                        text += choice["delta"].get("content") or ""
    assert text

asyncio.run(main())
"""

ROW = Row(
    name="cold",
    title="A fresh process to the end of its first streamed answer",
    unit="process",
    units=1,
    quick=1,
    model="text-20",
    contestants=(
        Script(name="openai", code=_SDK.format(package="openai")),
        Script(name="aiohttp + msgspec + anyio by hand", code=_BY_HAND),
        Script(name="openai_async", code=_SDK.format(package="openai_async")),
    ),
    goals=(Goal(ours="openai_async", rival="openai", cpu=0.41, memory=0.65),),
    repeat=9,
)
