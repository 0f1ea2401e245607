"""The official clients, for Python and for Node.js, with the completions that the embedded server stores."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import openai
import pytest

from openai_async.server import serve

MESSAGES: Any = [
    {"role": "system", "content": "Be brief.", "name": "boss"},
    {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
    {"role": "user", "content": "Anybody there?"},
]

# The same steps as `python_steps`; it prints what it saw as JSON.
SCRIPT = """
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "any", maxRetries: 0 });
const { completions } = client.chat;
const messages = JSON.parse(process.argv[3]);
const made = [];
for (let at = 0; at < 4; at++) {
  const metadata = { parity: at % 2 ? "odd" : "even" };
  made.push((await completions.create({ model: "m", messages, store: true, metadata })).id);
}
for await (const chunk of await completions.create({ model: "m", messages, store: true, stream: true })) {
  made[4] = chunk.id;
}
const all = async (pages) => {
  const found = [];
  for await (const item of pages) found.push(item.id);
  return found;
};
const saw = { made };
saw.listed = await all(completions.list({ limit: 2 }));
saw.newest = await all(completions.list({ limit: 2, order: "desc" }));
saw.odd = await all(completions.list({ limit: 1, metadata: { parity: "odd" } }));
saw.none = await all(completions.list({ model: "other" }));
saw.retrieved = (await completions.retrieve(made[1])).metadata;
saw.updated = (await completions.update(made[1], { metadata: { a: "b" } })).metadata;
saw.messages = [];
for await (const message of completions.messages.list(made[1], { limit: 2 })) {
  saw.messages.push([message.id, message.role, message.content, message.content_parts]);
}
saw.deleted = await completions.delete(made[1]);
const kind = async (promise) => promise.then(() => "none", (error) => [error.constructor.name, error.status, error.param]);
saw.missing = await kind(completions.retrieve(made[1]));
saw.refused = await kind(completions.list({ limit: 101 }));
console.log(JSON.stringify(saw));
"""


async def all_ids(pages: Any) -> list[str]:
    """The ids of all items of all pages."""
    return [item.id async for item in pages]


async def kind(call: Any) -> list[Any] | str:
    """The error that a call ends in: its class, status and parameter."""
    try:
        await call
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.param]
    return "none"


async def python_steps(url: str) -> dict[str, Any]:
    """Store, list, retrieve, update and delete with the official Python client; what it saw."""
    async with openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        completions = client.chat.completions
        made = []
        for at in range(4):
            metadata = {"parity": "odd" if at % 2 else "even"}
            made.append((await completions.create(model="m", messages=MESSAGES, store=True, metadata=metadata)).id)
        stream = await completions.create(model="m", messages=MESSAGES, store=True, stream=True)
        made.append({chunk.id async for chunk in stream}.pop())
        saw: dict[str, Any] = {"made": made}
        saw["listed"] = await all_ids(completions.list(limit=2))
        saw["newest"] = await all_ids(completions.list(limit=2, order="desc"))
        saw["odd"] = await all_ids(completions.list(limit=1, metadata={"parity": "odd"}))
        saw["none"] = await all_ids(completions.list(model="other"))
        saw["retrieved"] = (await completions.retrieve(made[1])).metadata
        saw["updated"] = (await completions.update(made[1], metadata={"a": "b"})).metadata
        saw["messages"] = [
            [message.id, message.role, message.content, message.to_dict()["content_parts"]]
            async for message in completions.messages.list(made[1], limit=2)
        ]
        saw["deleted"] = (await completions.delete(made[1])).to_dict()
        saw["missing"] = await kind(completions.retrieve(made[1]))
        saw["refused"] = await kind(completions.list(limit=101))
    return saw


def check(saw: dict[str, Any]) -> None:
    """Everything that a client saw is as it was made."""
    made = saw["made"]
    assert len(set(made)) == 5
    assert saw["listed"] == made
    assert saw["newest"] == made[::-1]
    assert saw["odd"] == [made[1], made[3]]
    assert saw["none"] == []
    assert (saw["retrieved"], saw["updated"]) == ({"parity": "odd"}, {"a": "b"})
    assert saw["messages"] == [
        [f"{made[1]}-0", "system", "Be brief.", None],
        [f"{made[1]}-1", "user", None, [{"type": "text", "text": "Hello"}]],
        [f"{made[1]}-2", "user", "Anybody there?", None],
    ]
    assert saw["deleted"] == {"object": "chat.completion.deleted", "id": made[1], "deleted": True}
    assert saw["missing"] == ["NotFoundError", 404, "id"]
    assert saw["refused"] == ["BadRequestError", 400, "limit"]


@pytest.mark.sockets
@pytest.mark.anyio
async def test_the_official_python_client() -> None:
    """It stores, pages through, retrieves, updates and deletes completions, and lists their messages."""
    async with serve() as url:
        check(await python_steps(url))


@pytest.fixture(scope="session")
def node_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the official Node.js client; the tests are skipped where it can't be had, or does not load."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    words = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), "openai"]
    try:
        done = subprocess.run([npm, *words], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the registry does not answer")
    if done.returncode != 0:
        pytest.skip(f"openai can't be installed: {done.stderr.strip()[-200:]}")
    (folder / "load.mjs").write_text('import "openai";\n', encoding="utf-8")
    loaded = subprocess.run([node, "load.mjs"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    if loaded.returncode != 0:
        pytest.skip(f"this node does not load the client: {loaded.stderr.strip()[-200:]}")
    (folder / "steps.mjs").write_text(SCRIPT, encoding="utf-8")
    return folder


@pytest.mark.timeout(300)
@pytest.mark.sockets
@pytest.mark.anyio
async def test_the_official_node_client(node_project: Path) -> None:
    """It takes the same steps, and sees the same."""
    async with serve() as url:
        process = await asyncio.create_subprocess_exec(
            "node",
            "steps.mjs",
            url,
            json.dumps(MESSAGES),
            cwd=node_project,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    check(json.loads(out))
