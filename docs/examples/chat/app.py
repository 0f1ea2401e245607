"""A chat whose answers survive a reload: FastAPI in front, `openai_async.relay` behind.

    python docs/examples/chat/app.py            # http://127.0.0.1:8000

With `OPENAI_API_KEY` set it asks that API (`OPENAI_BASE_URL`, `--model`); without, the embedded server, offline. With
`--redis URL`, or `OPENAI_ASYNC_REDIS_URL`, conversations and answers are kept there: several of these processes are one
chat, and one that is restarted, or killed, loses nothing that was written.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request, Response, WebSocket
from fastapi.responses import FileResponse, JSONResponse
from openai_async import AsyncOpenAI
from openai_async.relay import RelayError, RelayHub, StreamExpired, UnknownStream
from openai_async.relay.starlette import follow_websocket, sse_response
from openai_async.server import serve

PAGE = Path(__file__).with_name("index.html")

TEXT = (
    "There is no model behind this page, only a server that writes slowly, so that you can see an answer come. "
    "Reload the page now: it asks for the rest, from the last piece that it has. Open the same address in a second "
    "tab: both show the same words at the same time. Press Stop in one of them, and it stops in both. "
    "The switch above chooses how the words travel, as server-sent events or over a WebSocket. "
)


async def slow(request: dict):
    """Answer word by word, as a model of some 12 words a second would."""
    for word in f"You said: “{request['messages'][-1]['content']}”. {TEXT}".split(" "):
        await asyncio.sleep(0.08)
        yield word + " "


class Memory:
    """Conversations of this process."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        return self.kept.get(key)

    async def set(self, key: str, value: str, *, nx: bool = False, ex: int | None = None) -> bool:
        if nx and key in self.kept:
            return False
        self.kept[key] = value
        if ex is not None:
            asyncio.get_running_loop().call_later(ex, self.kept.pop, key, None)
        return True


class Chats:
    """Conversations: their messages, and for each answer the id of its stream.

    `store` keeps them: `Memory`, or a Redis client, whose `get` and `set` are the same. Whoever asks writes the messages,
    and whoever has the answer writes that, each under a key of its own: so neither overwrites the other.
    """

    def __init__(self, hub: RelayHub, client: AsyncOpenAI, model: str, store) -> None:
        self.hub, self.client, self.model, self.store = hub, client, model, store

    async def messages(self, chat: str) -> list[dict]:
        """All messages; `live` is the one that is being written."""
        messages = json.loads(await self.store.get(f"chat:{chat}") or "[]")
        if messages:
            last = messages[-1]
            answer = await self.store.get(f"answer:{last['stream']}")
            if answer is None:
                answer = await self.read_again(last["stream"])
            last["live"] = answer is None
            last["content"] = answer.decode() if isinstance(answer, bytes) else answer or ""
        return messages

    async def read_again(self, stream: str) -> str | None:
        """Keep an answer that has ended, as `save` does: its process may have been killed before; None: it goes on."""
        text = ""
        try:
            if (await self.hub.status(stream)).status == "live":
                return None
            async with self.hub.subscribe(stream) as reading:
                async for batch in reading:
                    chunks = [json.loads(frame) for frame in batch.frames]
                    choices = [choice for chunk in chunks for choice in chunk.get("choices") or ()]
                    said = [(choice.get("delta") or {}).get("content") or "" for choice in choices]
                    text = "".join(["" if batch.reset else text, *said])
        except (UnknownStream, StreamExpired):  # it was killed long ago: nothing is left but the question
            return text
        await self.store.set(f"answer:{stream}", text, nx=True)
        return text

    async def ask(self, chat: str, text: str) -> str:
        """Begin an answer, and return the id of its stream."""
        messages = await self.messages(chat)
        stream = f"{chat}.{len(messages)}"
        # The claim is for those who ask at the same time, in another process perhaps.
        live = bool(messages) and messages[-1]["live"]
        if live or not await self.store.set(f"asks:{stream}", text, nx=True, ex=60):
            raise HTTPException(409, "The last answer is still being written.")
        said = [{"role": m["role"], "content": m["content"]} for m in messages if m["content"]]
        said.append({"role": "user", "content": text})
        messages.append({"role": "user", "content": text, "live": False})
        messages.append({"role": "assistant", "content": "", "live": True, "stream": stream})

        async def save(end, completion) -> None:
            text = completion.choices[0].message.content if completion is not None else None
            await self.store.set(f"answer:{stream}", text or "")

        def source():
            return self.client.chat.completions.create(model=self.model, messages=said, stream=True)

        await self.hub.start(source, stream_id=stream, on_end=save)
        await self.store.set(f"chat:{chat}", json.dumps(messages))
        return stream


@asynccontextmanager
async def keeping(redis_url: str | None):
    """Where all is kept: a hub, and a store of conversations."""
    if redis_url is None:
        async with RelayHub(drain=0) as hub:
            yield hub, Memory()
        return
    from openai_async.relay.redis import RedisBackend
    from redis.asyncio import Redis

    # Answers under way are written to their end, while the next process serves their readers already. One whose process
    # was killed can be kept by whoever asks within a day.
    backend = RedisBackend(redis_url, compress="zlib")
    async with Redis.from_url(redis_url) as store, RelayHub(backend, drain=120, retain=86_400) as hub:
        yield hub, store


def create_app(model: str, redis_url: str | None = None) -> FastAPI:
    """The application: a page, and a handful of routes for it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        async with AsyncExitStack() as stack:
            options = {}
            if not os.environ.get("OPENAI_API_KEY"):
                options = {"base_url": await stack.enter_async_context(serve(slow)), "api_key": "offline"}
            client = await stack.enter_async_context(AsyncOpenAI(**options))
            hub, store = await stack.enter_async_context(keeping(redis_url))
            app.state.chats = Chats(hub, client, model, store)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.exception_handler(RelayError)
    async def refuse(request: Request, error: RelayError) -> Response:
        return JSONResponse({"detail": error.error["message"]}, error.status_code)

    @app.get("/")
    async def page() -> Response:
        return FileResponse(PAGE)

    # A chat's id is in the page's address: whoever has it may read along. Give the hub an `owner` where there are users.
    @app.get("/chats/{chat}")
    async def messages(chat: str) -> list[dict]:
        return await app.state.chats.messages(chat)

    @app.post("/chats/{chat}")
    async def ask(chat: str, body: dict) -> dict:
        if not isinstance(text := body.get("text"), str) or not text.strip():
            raise HTTPException(422, "There is no text.")
        return {"stream": await app.state.chats.ask(chat, text)}

    @app.get("/streams/{stream}")
    async def read(stream: str, after: str | None = None, last_event_id: str | None = Header(None)) -> Response:
        # EventSource can't send a header of its own the first time; when it reconnects by itself, it sends this one.
        return sse_response(lambda: app.state.chats.hub.subscribe(stream, after=last_event_id or after))

    @app.websocket("/streams/{stream}/ws")
    async def follow(websocket: WebSocket, stream: str, after: str | None = None) -> None:
        await follow_websocket(websocket, app.state.chats.hub, stream, after=after)

    @app.delete("/streams/{stream}")
    async def stop(stream: str) -> dict:
        return {"stopped": await app.state.chats.hub.stop(stream)}

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A chat page.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", default="gpt-5.4-mini")
    parser.add_argument(
        "--redis",
        metavar="URL",
        default=os.environ.get("OPENAI_ASYNC_REDIS_URL"),
        help="where to keep conversations and answers, instead of in memory; with a password, set OPENAI_ASYNC_REDIS_URL "
        "instead: others can read a command line",
    )
    asked = parser.parse_args()
    print(f"A chat: http://127.0.0.1:{asked.port} (Ctrl-C stops it)", flush=True)
    app = create_app(asked.model, asked.redis)
    uvicorn.run(app, host="127.0.0.1", port=asked.port, timeout_graceful_shutdown=5, log_level="warning")
