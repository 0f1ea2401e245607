"""`Findings`: what an answer says of itself, beside what it says.

A completion, or what came of a stream, comes in; its id, model, usage and how its choices ended go out. Nothing here
reads a stream further than it was read.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Self

import msgspec

from openai_async.errors import APIError
from openai_async.protocol.snapshot import ChatCompletionAccumulator, choice_place
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.completion import ChatCompletion
from openai_async.types.usage import CompletionUsage

__all__ = ["Findings", "joined"]


class Findings(msgspec.Struct, kw_only=True):
    """What an answer says of itself.

    Attributes:
        choices: Of each choice, by its index in a stream, by its place in a whole answer: why it ended; None: it had not.
        usage: Tokens billed; None: not told.
        response_id, model, service_tier, system_fingerprint: As the answer tells them; None: it does not.
        chunks: How many chunks came; None: it is no stream.
        failure: What is raised where a chunk that waits is handed out; None: nothing is.
    """

    choices: dict[int, str | None] = {}
    usage: CompletionUsage | None = None
    response_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    chunks: int | None = None
    failure: APIError | None = None

    @property
    def finished(self) -> bool:
        """Whether there is an answer, and every choice of it has ended."""
        return bool(self.choices) and all(self.choices.values())

    @property
    def finish_reasons(self) -> tuple[str | None, ...]:
        """Why each choice ended, in their order; None: it had not."""
        return tuple([self.choices[index] for index in sorted(self.choices)])

    @classmethod
    def of_completion(cls, completion: ChatCompletion) -> Self:
        """Return what a whole completion says."""
        return cls(
            # By their places: some servers number all of them 0.
            choices={index: choice.finish_reason or None for index, choice in enumerate(completion.choices)},
            usage=completion.usage,
            response_id=completion.id or None,
            model=completion.model or None,
            service_tier=completion.service_tier,
            system_fingerprint=completion.system_fingerprint,
        )

    @classmethod
    def of_stream(cls, accumulator: ChatCompletionAccumulator, waiting: Iterable[ChatCompletionChunk]) -> Self:
        """Return what came of a stream: of what was handed out, and of the chunks that wait."""
        found = cls(
            choices={index: choice.finish_reason for index, choice in accumulator.choices.items()},
            usage=accumulator.usage,
            response_id=accumulator._id or None,
            model=accumulator._model or None,
            service_tier=accumulator._service_tier,
            system_fingerprint=accumulator._system_fingerprint,
            chunks=accumulator.chunks,
        )
        try:
            for chunk in waiting:
                found._add(chunk)
        except APIError as error:
            found.failure = error
        return found

    def _add(self, chunk: ChatCompletionChunk) -> None:
        self.chunks = (self.chunks or 0) + 1
        self.response_id = self.response_id or chunk.id or None
        self.model = self.model or chunk.model or None
        self.usage = chunk.usage or self.usage
        self.service_tier = chunk.service_tier or self.service_tier
        self.system_fingerprint = chunk.system_fingerprint or self.system_fingerprint
        for choice in chunk.choices:
            index = choice_place(choice.index)
            self.choices[index] = choice.finish_reason or self.choices.get(index)


def joined(accumulator: ChatCompletionAccumulator, waiting: tuple[ChatCompletionChunk, ...], at: int) -> ChatCompletion:
    """Return the completion that handed-out chunks and those that waited amount to; the stream is not touched.

    Args:
        accumulator: Of what is handed out; it may have got some of `waiting` by now.
        waiting: The chunks that had come, and were not handed out.
        at: How many chunks had been handed out then.
    """
    rest = waiting[accumulator.chunks - at :]
    if not rest:
        return accumulator.completion()
    # Logprobs are never changed, and can be a hundred times as long as the text.
    kept = [
        one
        for choice in accumulator.choices.values()
        for one in (*(choice.content_logprobs or ()), *(choice.refusal_logprobs or ()))
    ]
    twin = deepcopy(accumulator, {id(one): one for one in kept})
    try:
        for chunk in rest:
            twin.add(chunk)
    except APIError:
        pass  # the reader raises it where the stream is read
    return twin.completion()
