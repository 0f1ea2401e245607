"""Every Python snippet of the README and the docs runs, against the embedded server."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from openai_async import AsyncOpenAI
from openai_async.server.run import serve
from openai_async.transport.asgi import ASGITransport

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
_FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def snippets(page: Path) -> list[tuple[int, str]]:
    """Line number and text of each Python snippet of a page, in order."""
    text = page.read_text()
    return [(text.count("\n", 0, match.start()) + 2, match[1]) for match in _FENCE.finditer(text)]


async def run(page: Path) -> dict[str, object]:
    """Run a page's snippets one after the other in one namespace, as somebody who types them would."""
    module = sys.modules["__snippet__"] = ModuleType("__snippet__")  # where its classes look for each other
    names = vars(module)
    for line, text in snippets(page):
        source = "\n" * (line - 1) + text
        code = compile(source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        if "asyncio.run(" in text:
            await asyncio.to_thread(exec, code, {"__name__": "__snippet__"})
        elif inspect.iscoroutine(result := eval(code, names)):
            await result
    return names


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A user's environment: a key, and nothing else that the client reads."""
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-docs")
    return monkeypatch


@pytest.mark.parametrize("page", [page for page in PAGES if snippets(page)], ids=lambda page: page.name)
def test_every_snippet_of_a_page_runs(page: Path, environment: pytest.MonkeyPatch) -> None:
    """What a page shows works as it stands, one snippet after the other."""

    async def main() -> None:
        async with serve() as url:
            environment.setenv("OPENAI_BASE_URL", url)
            names = await run(page)
            if "app" in names:
                await assert_relays(names["app"])
            for value in names.values():
                if isinstance(value, AsyncOpenAI):
                    await value.close()

    asyncio.run(main())


async def assert_relays(app: object) -> None:
    """A page's web app hands on a whole answer: read here by the client, in process."""
    transport = ASGITransport(app)
    async with AsyncOpenAI(api_key="", base_url="http://app", transport=transport) as reader:
        call = reader.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "Tell me about the sea."}], stream=True
        )
        async with call as stream:
            completion = await stream.final()

    assert completion.choices[0].finish_reason == "stop"
    assert "sea" in completion.choices[0].message.content


def test_pages_are_linked() -> None:
    """Every page of the docs is linked from the README, and every local link leads somewhere."""
    linked = set(re.findall(r"\]\((docs/[a-z-]+\.md)\)", (ROOT / "README.md").read_text()))
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}

    assert linked == pages
