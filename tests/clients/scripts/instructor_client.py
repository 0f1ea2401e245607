"""Instructor around the official client: objects by a tool, by a schema, and in pieces."""

from __future__ import annotations

import instructor
import openai
from pydantic import BaseModel
from steps import (
    HELLO,
    KEY,
    MODEL,
    PERSON,
    URL,
    WRONG_KEY,
    Cases,
    check_answer,
    check_person,
    check_refusal,
    say,
)

cases = Cases(
    "instructor",
    "openai",
    lacks={
        "tools": "tools are its way to an object, see structured",
        "streamed_tools": "tools are its way to an object, see stream",
        "stored": "no call for stored chat completions",
    },
)


class Person(BaseModel):
    name: str
    age: int


def new_client(mode: instructor.Mode = instructor.Mode.TOOLS, key: str = KEY) -> instructor.AsyncInstructor:
    """A client that asks for objects in that way."""
    return instructor.from_openai(openai.AsyncOpenAI(base_url=URL, api_key=key, max_retries=0), mode=mode)


@cases("create")
async def _() -> None:
    answer = await new_client().chat.completions.create(model=MODEL, messages=say(HELLO), response_model=None)
    usage = answer.usage
    check_answer(answer.choices[0].message.content, (usage.prompt_tokens, usage.completion_tokens))


@cases("stream")
async def _() -> None:
    partial = new_client().chat.completions.create_partial(model=MODEL, messages=say(PERSON), response_model=Person)
    drafts = [draft async for draft in partial]
    assert len(drafts) > 1, f"the stream has {len(drafts)} drafts"
    check_person(drafts[-1])


@cases("structured")
async def _() -> None:
    for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA, instructor.Mode.JSON):
        client = new_client(mode)
        person = await client.chat.completions.create(model=MODEL, messages=say(PERSON), response_model=Person)
        check_person(person)


@cases("wrong_key")
async def _() -> None:
    client = new_client(key=WRONG_KEY)
    try:
        await client.chat.completions.create(model=MODEL, messages=say(HELLO), response_model=None)
    except openai.AuthenticationError as error:
        check_refusal(error, error.status_code)
    else:
        check_refusal(None, None)


cases.run()
