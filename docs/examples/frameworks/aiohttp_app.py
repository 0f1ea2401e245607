"""aiohttp.web: one client for the process, an answer in one piece or as an event stream.

python aiohttp_app.py
"""

import os
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiohttp import web
from openai_async import AsyncOpenAI, OpenAIError
from openai_async.relay.aiohttp import relay_sse, say_farewell
from openai_async.relay.refusal import Refusal

MODEL = "demo"
CLIENT = web.AppKey("CLIENT", AsyncOpenAI)


async def lifespan(app: web.Application) -> AsyncIterator[None]:
    async with AsyncOpenAI() as client:  # closed when the last request is answered
        app[CLIENT] = client
        yield


class Question(msgspec.Struct):
    messages: list[dict[str, Any]]
    stream: bool = False


async def chat(request: web.Request) -> web.StreamResponse:
    question = msgspec.json.decode(await request.read(), type=Question)
    create = request.app[CLIENT].chat.completions.create
    if question.stream:
        return await relay_sse(request, create(model=MODEL, messages=question.messages, stream=True))
    completion = await create(model=MODEL, messages=question.messages)
    return web.json_response(text=completion.to_json())


@web.middleware
async def refuse(request: web.Request, handler: Any) -> web.StreamResponse:
    """The API's own status and error; what concerns only the way to its server is a 502 or 504."""
    try:
        return await handler(request)
    except msgspec.DecodeError as error:
        return web.json_response({"error": {"message": str(error), "type": "invalid_request_error"}}, status=400)
    except OpenAIError as error:
        refusal = Refusal.of(error)
        return web.json_response(body=refusal.body, status=refusal.status, headers=refusal.headers)


app = web.Application(middlewares=[refuse])
app.cleanup_ctx.append(lifespan)
app.on_shutdown.append(say_farewell)  # open answers end in order
app.router.add_post("/v1/chat/completions", chat)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), handler_cancellation=True)
