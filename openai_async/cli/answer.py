"""One request, from sending it to the last word of its answer.

Parameters come in; the answer goes to a screen as it comes. Ctrl-C, which cancels the task, aborts the request at the
server, and what came until then is kept. It never decides what an error means.
"""

from __future__ import annotations

import asyncio

import click

from openai_async.api.call import Call
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

# Why an answer may be shorter than it should be, by `finish_reason`.
_SHORT = {
    "length": "the answer was cut off by the token limit (--max-tokens, or the model's own)",
    "content_filter": "the content filter withheld some of the answer",
}


class Answer:
    """The answer to one request, which is sent by `fetch`.

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
        self._whole: ChatCompletion | None = None
        self._tally = Tally()

    def fetch(self, runner: asyncio.Runner, screen: Screen, notices: Notices) -> None:
        """Send the request and show the answer.

        Args:
            runner: Whose loop to use.
            screen: Gets the answer, and is closed in the end.
            notices: Tells of waiting and of retries.

        Raises:
            StoppedError: The user pressed Ctrl-C; the request was aborted.
            OpenAIError: It failed; what was received has been shown.
            click.ClickException: The parameters can't be sent.
            OSError: stdout can't be written to; the request was aborted.
        """
        try:
            with notices.retries():
                runner.run(self._fetch(screen, notices))
        except KeyboardInterrupt:
            raise StoppedError(self._tally.cut()) from None
        finally:
            screen.close()

    @property
    def completion(self) -> ChatCompletion | None:
        """The answer, as far as it was shown; None: nothing came."""
        return self._stream.snapshot if self._stream is not None else self._whole

    @property
    def text(self) -> str:
        """The first choice's text, as far as it was shown; empty when there is none."""
        completion = self.completion
        if completion is None or not completion.choices:
            return ""
        message = completion.choices[0].message
        return message.content or message.refusal or ""

    def sum_up(self, notices: Notices, *, asked: bool) -> None:
        """Say what is to be known of a whole answer: why it is short, how long it took.

        Args:
            notices: Says it.
            asked: Whether the user asked for the numbers; otherwise they are only for people.
        """
        completion = self.completion
        if completion is None:
            return
        reasons = {choice.finish_reason for choice in completion.choices}
        for reason, text in _SHORT.items():
            if reason in reasons:
                notices.note(text)
        (notices.figures if asked else notices.remark)(self._tally.summary(completion.usage))

    async def _fetch(self, screen: Screen, notices: Notices) -> None:
        call = self._call()
        with notices.waiting():
            result = await call
        if isinstance(result, ChatStream):
            self._stream = result
            await self._follow(result, screen)
            screen.finish(result.snapshot)
        else:
            self._whole = result
            self._tally.end()
            screen.finish(result)

    def _call(self) -> Call[ChatCompletion | ChatStream[ChatCompletionChunk]]:
        try:
            return self._client.chat.completions.create(stream=self._streamed, **self._params)
        except (TypeError, ValueError) as error:
            raise click.ClickException(f"The request can't be sent: {error}") from error

    async def _follow(self, stream: ChatStream[ChatCompletionChunk], screen: Screen) -> None:
        try:
            async with stream:
                async for batch in stream.batches():
                    for chunk in batch:
                        self._tally.add(chunk)
                        screen.add(chunk)
                    screen.flush()
        finally:
            self._tally.end()
