"""FastAPI: a bulk run as a job in the background, which outlives the request, and with its journal the process.

JOBS=/var/lib/jobs python fastapi_job.py
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from openai_async import AsyncOpenAI, ChatCompletion
from openai_async.bulk import BulkStats, BulkStoppedError, PacedLimiter, amap

MODEL = "demo"


class Jobs:
    """The jobs of this process. Questions asked by people go before theirs: both share one limiter."""

    def __init__(self, client: AsyncOpenAI, limiter: PacedLimiter, folder: Path) -> None:
        self._client = client.with_options(limiter=limiter.background())
        self._folder = folder
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stats: dict[str, BulkStats] = {}
        self._stopped: dict[str, str] = {}

    def start(self, name: str, texts: list[str]) -> None:
        """Begin, or go on where a job of that name was; one that runs is left alone."""
        if name not in self._tasks or self._tasks[name].done():
            self._tasks[name] = asyncio.create_task(self._run(name, texts))

    def look(self, name: str) -> dict[str, Any] | None:
        """How far a job is; None: there is none."""
        if name not in self._tasks:
            return None
        stats = self._stats.get(name, BulkStats())
        done = {"done": stats.done + stats.resumed, "failed": stats.failed, "of": stats.total}
        return {**done, "over": self._tasks[name].done(), "stopped": self._stopped.get(name)}

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, name: str, texts: list[str]) -> None:
        self._stopped.pop(name, None)
        try:
            async with amap(texts, self._ask, limit=20, journal=self._folder / name) as run:
                self._stats[name] = run.stats
                async for _ in run:
                    pass  # what is wanted is in the journal
        except BulkStoppedError as stopped:  # the key or the quota: put it right, and start the job again
            self._stopped[name] = stopped.reason.message

    async def _ask(self, text: str) -> ChatCompletion:
        return await self._client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    limiter = PacedLimiter()
    async with AsyncOpenAI(limiter=limiter) as client:
        app.state.client = client
        app.state.jobs = Jobs(client, limiter, Path(os.environ.get("JOBS", "jobs")))
        try:
            yield
        finally:
            await app.state.jobs.close()


app = FastAPI(lifespan=lifespan)


@app.put("/jobs/{name}", status_code=202)
async def start(name: str, texts: list[str]) -> dict[str, str]:
    if not name.isidentifier():
        raise HTTPException(422, "a job's name has letters, digits and underscores")
    app.state.jobs.start(name, texts)
    return {"job": name}


@app.get("/jobs/{name}")
async def look(name: str) -> dict[str, Any]:
    found = app.state.jobs.look(name)
    if found is None:
        raise HTTPException(404, "there is no such job")
    return found


@app.post("/ask")
async def ask(text: str) -> str | None:
    completion = await app.state.client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}]
    )
    return completion.choices[0].message.content


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
