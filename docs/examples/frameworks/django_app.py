"""Django under ASGI: one client for the process, an answer in one piece or as an event stream.

uvicorn django_app:app --timeout-graceful-shutdown 15
"""

import msgspec
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from openai_async import AsyncOpenAI, OpenAIError
from openai_async.relay.refusal import Refusal
from openai_async.relay.sse import error_event

MODEL = "demo"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Question(msgspec.Struct):
    messages: list[dict]
    stream: bool = False


async def chat(request):
    create = request.scope["state"]["client"].chat.completions.create
    try:
        question = msgspec.json.decode(request.body, type=Question)
        answer = await create(model=MODEL, messages=question.messages, stream=question.stream)
    except msgspec.DecodeError as error:
        return JsonResponse({"error": {"message": str(error), "type": "invalid_request_error"}}, status=400)
    except OpenAIError as error:  # the API's own status and error
        refusal = Refusal.of(error)
        return HttpResponse(refusal.body, "application/json", refusal.status, headers=refusal.headers)
    if question.stream:
        return StreamingHttpResponse(events(answer), content_type="text/event-stream", headers=HEADERS)
    return HttpResponse(answer.to_json(), "application/json")


async def events(stream):
    async with stream:  # Django cancels this when the browser leaves: the request to the model is aborted
        try:
            async for piece in stream.raw():
                yield piece
        except OpenAIError as error:
            yield error_event(Refusal.of(error).error)


settings.configure(ROOT_URLCONF=(path("v1/chat/completions", chat),), ALLOWED_HOSTS=["127.0.0.1", "localhost"])
django = get_asgi_application()


async def app(scope, receive, send):
    if scope["type"] != "lifespan":  # of which Django knows nothing
        return await django(scope, receive, send)
    await receive()
    async with AsyncOpenAI() as scope["state"]["client"]:  # closed when the last request is answered
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
