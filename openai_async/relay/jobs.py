"""`StreamJob`: a stream that a worker writes, and what it takes to run one, whichever queue brings it.

A job comes in, perhaps a second time; the end of its stream goes out. Queues that deliver at least once deliver twice:
the second runs only when the first has died, and waits until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import anyio
import msgspec

from .errors import Fenced, StreamEnded
from .hub import RelayHub
from .job import ending, feed
from .log import End
from .producer import Producer
from .source import Source

__all__ = ["ChatClient", "StreamJob", "run_stream_job"]


class StreamJob(msgspec.Struct, frozen=True):
    """A request whose answer is to be streamed to whoever reads the stream.

    Attributes:
        stream_id: Of the stream: best one that cannot be guessed, `uuid4().hex`.
        request: Arguments of `client.chat.completions.create`, without `stream`.
        owner: Who may read and stop it; None: whoever knows the id.
    """

    stream_id: str
    request: dict[str, Any]
    owner: str | None = None

    def __repr__(self) -> str:
        return f"StreamJob({self.stream_id!r})"  # requests are users' texts


class _Completions(Protocol):
    @property
    def create(self) -> Callable[..., Any]: ...


class _Chat(Protocol):
    @property
    def completions(self) -> _Completions: ...


class ChatClient(Protocol):
    """What is needed of an `AsyncOpenAI`."""

    @property
    def chat(self) -> _Chat:
        """Has `completions`, which has `create`."""
        ...


async def run_stream_job(job: StreamJob, client: ChatClient, hub: RelayHub, *, standby: float = 3600) -> End:
    """Ask the model and write its answer to the job's stream; return how that ended.

    Where another worker writes it already, this one waits until that has ended, and returns its end; or until it has
    died, and then asks anew, in another epoch: readers are told to drop what they have. It must not return at once, as
    the queue would take the job for done. An upstream that fails ends the stream and raises nothing: the readers were
    told, and a second try would tell them something else.

    Cancelling it closes the upstream and gives the stream back to the next delivery.

    Args:
        job: What to ask, and where to write.
        client: Asks.
        hub: Writes; on a `RedisBackend`, unless its readers are in this process.
        standby: Seconds to wait for a living writer.

    Raises:
        Held: Another worker writes it, after `standby` still.
        StreamExpired: The stream has ended and is no longer kept.
        HubClosed, RedisDownError: It could not begin; let the queue deliver it again.
        TypeError: `request` has `stream`.
    """
    if "stream" in job.request:
        raise TypeError("StreamJob.request: leave out stream, it is always streamed.")

    def source() -> Any:
        return client.chat.completions.create(**job.request, stream=True)

    try:
        async with hub.producer(job.stream_id, owner=job.owner, wait=standby) as producer:
            end = await _write(source, producer)
            await producer.finish(end)
            return producer.log.end or end
    except StreamEnded as ended:
        return ended.end if ended.end is not None else End("lost")


async def _write(source: Source, producer: Producer) -> End:
    """Read the upstream into the stream, and return how it ended; a fenced producer closes the upstream."""
    with anyio.CancelScope() as scope:
        producer.on_fence(scope.cancel)
        try:
            await feed(source, producer)
        except Exception as error:  # noqa: BLE001 - whatever the upstream raises is told to the readers
            if not isinstance(error, Fenced):
                return ending(error)
    if producer.fenced is not None:
        return producer.fenced.end or End("lost")
    return End("done")
