"""An asyncio queue with back-pressure: whoever puts jobs in waits while the calls are behind.

python queue_consumer.py
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from openai_async import AsyncOpenAI, ChatCompletion
from openai_async.bulk import BulkStats, PacedLimiter, Result, amap

MODEL = "demo"


async def jobs(queue: asyncio.Queue[str | None]) -> AsyncIterator[str]:
    """What is in the queue, until None says that no more will come."""
    while (job := await queue.get()) is not None:
        yield job


async def consume(
    client: AsyncOpenAI,
    queue: asyncio.Queue[str | None],
    handle: Callable[[Result[str, ChatCompletion]], Awaitable[object]],
    *,
    limit: int = 50,
) -> BulkStats:
    """Answer what comes, `limit` at a time. A job is taken from the queue when there is room for its call, not before."""

    async def ask(job: str) -> ChatCompletion:
        return await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": job}])

    async with amap(jobs(queue), ask, limit=limit) as run:
        async for result in run:
            await handle(result)  # while this is slow, no more than 2 * limit jobs are out of the queue
    return run.stats


async def produce(queue: asyncio.Queue[str | None], count: int) -> None:
    for number in range(count):
        await queue.put(f"Job {number}")  # waits while the queue is full
    await queue.put(None)


async def handle(result: Result[str, ChatCompletion]) -> None:
    print(result.item, "failed:" if result.error else "done", result.error or "")


async def main() -> None:
    queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=100)
    async with AsyncOpenAI(limiter=PacedLimiter()) as client, asyncio.TaskGroup() as group:
        group.create_task(produce(queue, 30))
        group.create_task(consume(client, queue, handle))


if __name__ == "__main__":
    asyncio.run(main())
