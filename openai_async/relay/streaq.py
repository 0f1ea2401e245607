"""Stream jobs on streaQ: the worker's side of `run_stream_job`, and what puts a job into the queue.

A `StreamJob` comes in on one machine; another one's worker runs it. streaQ delivers it again when that worker dies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

try:
    from streaq import StreaqRetry, Worker
except ImportError as _error:
    raise ImportError("stream jobs on streaQ need streaQ: pip install 'openai-async-sdk[streaq]'") from _error

from .errors import Held, TooManyStreams
from .hub import RelayHub
from .jobs import ChatClient, StreamJob, run_stream_job
from .redis.backend import RedisBackend

__all__ = ["Enqueue", "JobContext", "register"]

Enqueue = Callable[[StreamJob], Awaitable[str]]
"""Puts a job into the queue, and returns the task's id."""

# Seconds until a job that found no room is tried again.
_RETRY = 5


class JobContext(Protocol):
    """What the worker's lifespan has to yield: both of them entered."""

    @property
    def client(self) -> ChatClient:
        """Asks the model."""
        ...

    @property
    def hub(self) -> RelayHub:
        """Writes the streams."""
        ...


def register(
    worker: Worker[Any],
    backend: RedisBackend,
    *,
    name: str = "stream_job",
    standby: float = 3600,
    queued: float = 3600,
    max_tries: int | None = 3,
) -> Enqueue:
    """Have a worker run stream jobs, and return what puts them into its queue. Call it on both sides alike.

    Args:
        worker: Of streaQ. Where it runs jobs, its lifespan yields a `JobContext`; where jobs are only put into the
            queue, `async with worker` will do.
        backend: That of this process's hub; a stream is announced there before its job is queued, so that readers who
            are faster than the queue find it.
        name: The task's.
        standby: Seconds that a second delivery waits for the first to end or die.
        queued: Seconds that a job may wait for a worker until its stream counts as lost.
        max_tries: How often a job is tried in all; None: without end.
    """

    async def stream_job(stream_id: str, request: dict[str, Any], owner: str | None) -> str:
        context: JobContext = worker.context
        job = StreamJob(stream_id, request, owner)
        try:
            end = await run_stream_job(job, context.client, context.hub, standby=standby)
        except (Held, TooManyStreams) as error:
            raise StreaqRetry(str(error), delay=_RETRY) from None
        return end.status

    task = worker.task(name=name, max_tries=max_tries)(stream_job)

    async def enqueue(job: StreamJob) -> str:
        await backend.announce(job.stream_id, owner=job.owner, wait=queued)
        queuing = task.enqueue(job.stream_id, job.request, job.owner)
        await queuing
        return str(queuing.id)

    return enqueue
