"""One request, from sending it to the last word of its answer.

Parameters come in; the answer goes to a screen as it comes, and out in the end. Ctrl-C, which cancels the task, aborts
the request at the server; what came until then is kept. It never decides what an error means.
"""

from __future__ import annotations

import asyncio

from openai_async.api.client import AsyncOpenAI
from openai_async.api.completions import CreateParams
from openai_async.api.stream import ChatStream
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.completion import ChatCompletion

from .notices import Notices
from .outcome import StoppedError
from .screen import Screen
from .tally import Tally

__all__ = ["Answer"]


class Answer:
    """The answer to one request.

    Args:
        client: What sends it.
        params: What is asked.
        streamed: Whether to ask for a stream.
    """

    def __init__(self, client: AsyncOpenAI, params: CreateParams, *, streamed: bool) -> None:
        self._client = client
        self._params = params
        self._streamed = streamed
        self._stream: ChatStream[ChatCompletionChunk] | None = None
        self._completion: ChatCompletion | None = None
        self.tally = Tally()

    def fetch(self, runner: asyncio.Runner, screen: Screen, notices: Notices) -> ChatCompletion:
        """Send the request and show the answer.

        Args:
            runner: Whose loop to use.
            screen: Gets the answer, and is closed in the end.
            notices: Tells of waiting and retries.

        Raises:
            StoppedError: The user pressed Ctrl-C; the request was aborted.
            OpenAIError: It failed; what was received has been shown.
            TypeError, ValueError: The parameters can't be sent.
            OSError: stdout can't be written to; the request was aborted.
        """
        try:
            with notices.retries():
                return runner.run(self._fetch(screen, notices))
        except KeyboardInterrupt:
            raise StoppedError(self.tally.cut()) from None
        finally:
            screen.close()

    @property
    def text(self) -> str:
        """The first choice's text, as far as it was shown; empty when there is none."""
        completion = self._completion
        if completion is None and self._stream is not None:
            completion = self._stream.snapshot
        if completion is None or not completion.choices:
            return ""
        message = completion.choices[0].message
        return message.content or message.refusal or ""

    async def _fetch(self, screen: Screen, notices: Notices) -> ChatCompletion:
        create = self._client.chat.completions.create
        if self._streamed:
            call = create(stream=True, **self._params)
            with notices.waiting():
                self._stream = await call
            await self._follow(self._stream, screen)
            self._completion = self._stream.snapshot
        else:
            with notices.waiting():
                self._completion = await create(**self._params)
        screen.finish(self._completion)
        return self._completion

    async def _follow(self, stream: ChatStream[ChatCompletionChunk], screen: Screen) -> None:
        async with stream:
            async for batch in stream.batches():
                for chunk in batch:
                    self.tally.add(chunk)
                    screen.add(chunk)
                screen.flush()
