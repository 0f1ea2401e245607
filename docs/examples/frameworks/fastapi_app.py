"""FastAPI: one client for the process, an answer in one piece or as an event stream.

uvicorn fastapi_app:app --timeout-graceful-shutdown 15
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from openai_async import AsyncOpenAI, OpenAIError
from openai_async.relay.refusal import Refusal
from openai_async.relay.starlette import relay_sse
from pydantic import BaseModel

MODEL = "demo"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    async with AsyncOpenAI() as client:  # closed when the last request is answered
        yield {"client": client}


app = FastAPI(lifespan=lifespan)


class Question(BaseModel):
    messages: list[dict[str, Any]]
    stream: bool = False


def the_client(request: Request) -> AsyncOpenAI:
    return request.state.client


@app.post("/v1/chat/completions")
async def chat(question: Question, client: Annotated[AsyncOpenAI, Depends(the_client)]) -> Response:
    create = client.chat.completions.create
    if question.stream:
        return relay_sse(create(model=MODEL, messages=question.messages, stream=True))
    completion = await create(model=MODEL, messages=question.messages)
    return Response(completion.to_json(), media_type="application/json")


@app.exception_handler(OpenAIError)
async def refuse(request: Request, error: OpenAIError) -> Response:
    """The API's own status and error; what concerns only the way to its server is a 502 or 504."""
    refusal = Refusal.of(error)
    return Response(refusal.body, refusal.status, refusal.headers, "application/json")
