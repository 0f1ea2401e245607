"""The package as a whole: what importing it costs, and what its public names promise."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import openai_async

# What the first token does not need, or only a part of all users has.
_HEAVY = {"aiohttp", "click", "opentelemetry", "pydantic", "redis", "rich", "sse_starlette", "starlette", "uvicorn"}
# The module that a bare install can't import says so itself, by name of the extra.
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(openai_async.__path__, "openai_async.")
    if info.name != "openai_async.__main__"
)


def python(code: str) -> str:
    """Run `code` in a fresh process, warnings being errors, and return what it prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout


def test_import_is_light() -> None:
    """Importing the package loads no network library and no optional one."""
    loaded = set(python("import openai_async, sys; print(*sys.modules)").split())

    assert not loaded & _HEAVY


def test_first_client_loads_aiohttp() -> None:
    """Aiohttp loads when a client is made, and not sooner; a client on another transport never loads it."""
    code = (
        "import sys\n"
        "from openai_async import AsyncOpenAI\n"
        "from openai_async.transport.asgi import ASGITransport\n"
        "AsyncOpenAI(api_key='k', transport=ASGITransport(None))\n"
        "print('aiohttp' in sys.modules)\n"
        "AsyncOpenAI(api_key='k')\n"
        "print('aiohttp' in sys.modules)\n"
    )

    assert python(code).split() == ["False", "True"]


@pytest.mark.timeout(240)  # it imports the package some 140 times
def test_every_module_can_be_imported_alone() -> None:
    """No module depends on another one having been imported before, and none warns."""
    code = (
        "import importlib, sys\n"
        f"for name in {MODULES!r}:\n"
        "    for loaded in [m for m in sys.modules if m.split('.')[0] == 'openai_async']:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
    )

    python(code)


@pytest.mark.parametrize("name", ["openai_async", *MODULES])
def test_public_names_exist(name: str) -> None:
    """What a module lists in `__all__` is there, once, and every module lists something or is a folder's title."""
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)

    if listed is None:
        assert hasattr(module, "__path__"), "a module without __all__"
    else:
        assert len(listed) == len(set(listed))
        assert [entry for entry in listed if not hasattr(module, entry)] == []


@pytest.mark.parametrize("name", ["openai_async", *MODULES])
def test_public_names_are_documented(name: str) -> None:
    """Every public class and function says what it is, and every module in three sentences at most what it does."""
    module = importlib.import_module(name)

    assert module.__doc__
    assert [entry for entry in own(module) if not inspect.getdoc(getattr(module, entry))] == []


def own(module: ModuleType) -> list[str]:
    """Public names that the module itself defines as classes or functions."""
    names = getattr(module, "__all__", [])
    members = {name: getattr(module, name) for name in names}
    return [
        name
        for name, member in members.items()
        if (inspect.isclass(member) or inspect.isfunction(member)) and member.__module__ == module.__name__
    ]


def test_version() -> None:
    """The version that the package tells is the one that the distribution has."""
    assert importlib.metadata.version("openai-async-sdk") == openai_async.__version__


def test_names_load_with_their_first_use() -> None:
    """Importing the package loads none of its modules; a name brings what it needs, and no other client."""
    code = (
        "import sys, openai_async\n"
        "print([m for m in sys.modules if m.startswith('openai_async.')])\n"
        "openai_async.AsyncOpenAI\n"
        "print(sorted(m for m in sys.modules if m in ('openai_async.api.azure', 'openai_async.api.runner', 'anyio')))\n"
        "print(openai_async.errors.OpenAIError is openai_async.OpenAIError)\n"
    )

    assert python(code).splitlines() == ["['openai_async.version']", "[]", "True"]


def test_names_are_listed_alike() -> None:
    """What type checkers read at the top, what `__all__` says and what loads with its first use are the same names."""
    tree = ast.parse(inspect.getsource(openai_async))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    read = {(node.module, name.name) for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}

    assert read == {(home, name) for home, names in openai_async._HOMES.items() for name in names}
    assert {name for _, name in read} | {"__version__"} == set(openai_async.__all__)


def test_other_names_are_errors() -> None:
    """A name that there is not is an `AttributeError`, and `dir` tells the names that there are."""
    with pytest.raises(AttributeError, match="no attribute 'AsyncOpenAl'"):
        _ = openai_async.AsyncOpenAl

    assert set(openai_async.__all__) <= set(dir(openai_async))
