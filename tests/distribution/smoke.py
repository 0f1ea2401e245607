"""Run by a Python that has only the wheel, and perhaps the extra `server`: streams over a real socket.

python -I -W error smoke.py bare|server
"""

import asyncio
import sys

from openai_async import AsyncOpenAI

_BODY = b'data: {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
_HEAD = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(_BODY)}\r\n\r\n".encode()
_MESSAGES = [{"role": "user", "content": "Tell me about the sea."}]


async def answer(reader, writer):
    """Answer any one request with one stream."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    writer.write(_HEAD + _BODY)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def bare():
    """Stream from a socket of the standard library."""
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        text, _ = await stream(f"http://{host}:{port}/v1")
        assert text == "Hello", text


async def embedded():
    """Stream from the embedded server, which says how much it said."""
    from openai_async.server import serve

    async with serve() as url:
        text, completion = await stream(url)
        assert "sea" in text, text
        assert completion.choices[0].message.content == text


async def stream(url):
    """Return the text that a server streams, and the completion."""
    async with AsyncOpenAI(base_url=url, api_key="sk-of-a-test") as client:
        call = client.chat.completions.create(model="demo", messages=_MESSAGES, stream=True)
        async with call as chunks:
            text = "".join([chunk.text async for chunk in chunks])
            completion = await chunks.final()
        assert completion.choices[0].finish_reason == "stop", completion
        return text, completion


asyncio.run({"bare": bare, "server": embedded}[sys.argv[1]]())
