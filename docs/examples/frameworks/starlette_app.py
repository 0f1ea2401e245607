"""Starlette: one client for the process, an answer in one piece or as an event stream.

uvicorn starlette_app:app --timeout-graceful-shutdown 15
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from openai_async import AsyncOpenAI, OpenAIError
from openai_async.relay.refusal import Refusal
from openai_async.relay.starlette import relay_sse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MODEL = "demo"


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    async with AsyncOpenAI() as client:  # closed when the last request is answered
        yield {"client": client}


class Question(msgspec.Struct):
    messages: list[dict[str, Any]]
    stream: bool = False


async def chat(request: Request) -> Response:
    question = msgspec.json.decode(await request.body(), type=Question)
    create = request.state.client.chat.completions.create
    if question.stream:
        return relay_sse(create(model=MODEL, messages=question.messages, stream=True))
    completion = await create(model=MODEL, messages=question.messages)
    return Response(completion.to_json(), media_type="application/json")


async def refuse(request: Request, error: Exception) -> Response:
    """The API's own status and error; what concerns only the way to its server is a 502 or 504."""
    refusal = Refusal.of(error)
    return Response(refusal.body, refusal.status, refusal.headers, "application/json")


async def misread(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": {"message": str(error), "type": "invalid_request_error"}}, 400)


app = Starlette(
    routes=[Route("/v1/chat/completions", chat, methods=["POST"])],
    exception_handlers={OpenAIError: refuse, msgspec.DecodeError: misread},
    lifespan=lifespan,
)
