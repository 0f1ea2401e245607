"""streaQ: bulk runs on workers that may be killed. streaQ delivers the task again, and its journal has what is done.

JOBS=/shared/jobs REDIS_URL=redis://localhost:6379/0 python streaq_worker.py
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from openai_async import AsyncOpenAI, ChatCompletion
from openai_async.bulk import PacedLimiter, amap
from streaq import Worker

MODEL = "demo"


@asynccontextmanager
async def lifespan() -> AsyncIterator[AsyncOpenAI]:
    share = 1 / int(os.environ.get("WORKERS", "1"))  # of the rate limits, where several workers have one key
    async with AsyncOpenAI(limiter=PacedLimiter(share=share)) as client:
        yield client


worker: Worker[AsyncOpenAI] = Worker(
    redis_url=os.environ.get("REDIS_URL", "redis://localhost:6379/0"),
    lifespan=lifespan,
    idle_timeout=float(
        os.environ.get("IDLE", "10")
    ),  # a worker that is silent for so long is taken for dead, and its tasks are delivered again
)


@worker.task(timeout=None, max_tries=None)
async def answer_all(name: str, texts: list[str]) -> dict[str, int]:
    """Answer all texts; the journal `name` is in a folder that every worker sees."""
    client = worker.context

    async def ask(text: str) -> ChatCompletion:
        return await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])

    async with amap(texts, ask, limit=50, journal=Path(os.environ["JOBS"]) / name) as run:
        async for _ in run:
            pass  # what is wanted is in the journal
    return {"done": run.stats.done + run.stats.resumed, "failed": run.stats.failed}


if __name__ == "__main__":
    worker.run_sync()
