"""Ray Data: Parquet files of questions in, Parquet files with answers out; a run that was killed goes on.

python ray_parquet.py questions/ answers/ /shared/journal
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import ray
from openai_async.bulk.ray import ChatBatch

MODEL = "demo"
ACTORS = 2


def connect() -> Callable[[dict[str, Any]], Awaitable[Any]]:
    """Called once in each actor: clients are made where they are used, as they can't be pickled."""
    from openai_async import AsyncOpenAI
    from openai_async.bulk import PacedLimiter

    client = AsyncOpenAI(limiter=PacedLimiter(share=1 / ACTORS))

    async def ask(row: dict[str, Any]) -> Any:
        messages = [{"role": "user", "content": row["question"]}]
        return await client.chat.completions.create(model=MODEL, messages=messages)

    return ask


def answer(questions: str, answers: str, journal: str) -> None:
    """The columns of the questions are `id` and `question`; `result` and `error` come to them."""
    ray.data.read_parquet(questions).map_batches(
        ChatBatch,
        fn_constructor_kwargs={"connect": connect, "journal": journal, "key": "id", "limit": 256},
        compute=ray.data.ActorPoolStrategy(size=ACTORS),
        num_cpus=0.25,  # an actor waits most of the time; with a whole core each none is left to read the files
        batch_size=500,
    ).write_parquet(answers)


if __name__ == "__main__":
    answer(*sys.argv[1:4])
