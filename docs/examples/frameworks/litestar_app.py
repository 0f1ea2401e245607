"""Litestar: one client for the process, an answer in one piece or as an event stream.

uvicorn litestar_app:app --timeout-graceful-shutdown 15
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from litestar import Litestar, Request, Response, post
from litestar.datastructures import State
from litestar.params import Body
from litestar.types import ASGIApp
from openai_async import AsyncOpenAI, OpenAIError
from openai_async.relay.refusal import Refusal
from openai_async.relay.starlette import relay_sse

MODEL = "demo"


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    async with AsyncOpenAI() as client:  # closed when the last request is answered
        app.state.client = client
        yield


class Question(msgspec.Struct):
    messages: list[dict[str, Any]]
    stream: bool = False


@post("/v1/chat/completions", status_code=200)
async def chat(data: Annotated[Question, Body()], state: State) -> ASGIApp:
    create = state.client.chat.completions.create
    if data.stream:  # Litestar takes any ASGI app for a response, as the relay's is
        return relay_sse(create(model=MODEL, messages=data.messages, stream=True))
    completion = await create(model=MODEL, messages=data.messages)
    return Response(completion.to_json(), media_type="application/json")


def refuse(request: Request, error: OpenAIError) -> Response:
    """The API's own status and error; what concerns only the way to its server is a 502 or 504."""
    refusal = Refusal.of(error)
    return Response(refusal.body, status_code=refusal.status, headers=refusal.headers, media_type="application/json")


app = Litestar([chat], lifespan=[lifespan], exception_handlers={OpenAIError: refuse})
