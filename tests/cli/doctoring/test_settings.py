"""What `doctor` says of settings, before anything is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.api.address import check_base_url
from openai_async.cli.doctoring.route import Route
from openai_async.cli.doctoring.settings import Settings, check_address, check_key, check_variables


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """Nothing is set that the client reads."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)


def settings(url=None, key=None):
    """The settings of a command with these options."""
    return Settings.of(url, key, "m", 1.0)


def test_the_environment_stands_in(monkeypatch):
    """What no option gives comes from the environment, and the findings say so."""
    monkeypatch.setenv("OPENAI_BASE_URL", "https://llm.example/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")

    found = settings()

    assert "$OPENAI_BASE_URL" in check_address(found).said
    assert check_key(found).said == "The key of $OPENAI_API_KEY, of 21 characters."
    assert check_variables(found).details["variables"] == ["OPENAI_ORG_ID"]


def test_options_win(monkeypatch):
    """An option is taken in the place of its variable."""
    monkeypatch.setenv("OPENAI_BASE_URL", "https://llm.example/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")

    found = settings("https://other.example/v1", "")

    assert check_address(found).said == "https://other.example/v1 (--base-url)"
    assert check_key(found).said == "None is sent."


@pytest.mark.parametrize(("key", "verdict", "said"), [
    (None, "fail", "no API key"),
    ("", "ok", "None is sent"),
    ("sk-abcdefghijklmnop", "ok", "of 19 characters"),
    (" sk-abcdefghijklmnop", "fail", "white space"),
    ("sk-abcdefghijklmnop\n", "fail", "white space"),
    ("sk-abc\ndefghijklmnop", "fail", "a character that no key has"),
    ("'sk-abcdefghijklmnop'", "fail", "quotation marks"),
    ("Bearer sk-abcdefghijklmnop", "fail", "Bearer"),
    ("your-api-key-here", "warn", "examples"),
    ("sk-...", "warn", "examples"),
    ("sk-ant-abcdefghijklmnop", "warn", "Anthropic"),
])  # fmt: skip
def test_keys(key, verdict, said):
    """A key that can't be right is told by what is wrong with it; no part of it is shown."""
    finding = check_key(settings(None, key))

    assert (finding.verdict, said in finding.said) == (verdict, True)
    assert bool(finding.advice) == (verdict != "ok")
    assert "abc" not in repr(finding)


def test_a_key_of_another_vendor_is_right_at_that_vendor():
    """Only at OpenAI's address is such a key a mistake."""
    assert check_key(settings("https://api.anthropic.com/v1", "sk-ant-abcdefghijklmnop")).verdict == "ok"


@pytest.mark.parametrize(("url", "verdict", "better"), [
    ("https://api.openai.com/v1", "ok", ""),
    ("https://api.openai.com/v1/", "ok", ""),
    ("http://127.0.0.1:8080/v1", "ok", ""),
    ("http://localhost:8080/v1", "ok", ""),
    ("http://gpu.local/v1", "ok", ""),
    ("https://api.openai.com", "fail", "https://api.openai.com/v1"),
    ("http://api.openai.com", "fail", "https://api.openai.com/v1"),
    ("https://llm.example/v1/chat/completions", "fail", "https://llm.example/v1"),
    ("https://llm.example/v1/v1", "fail", "https://llm.example/v1"),
    ("https://llm.example//v1", "fail", "https://llm.example/v1"),
    ("https://me.openai.azure.com", "fail", "https://me.openai.azure.com/openai/v1"),
    ("https://llm.example", "warn", "https://llm.example/v1"),
    ("http://llm.example/v1", "warn", "https://llm.example/v1"),
    ("http://[2606:4700::1]/v1", "warn", "https://[2606:4700::1]/v1"),
    ("llm.example/v1", "fail", "https://api.openai.com/v1"),
    ("https://llm example/v1", "fail", "https://api.openai.com/v1"),
    ("https://me:secret@llm.example/v1", "fail", "https://api.openai.com/v1"),
])  # fmt: skip
def test_addresses(url, verdict, better):
    """An address that can't be right is told, with the one that may be meant."""
    finding = check_address(settings(url, "sk-abcdefghijklmnop"))

    assert finding.verdict == verdict
    assert better in " ".join(finding.advice)
    assert bool(finding.advice) == bool(better)
    assert "secret" not in repr(finding)


def test_a_query_is_not_shown():
    """Some gateways have their key in the query of the address."""
    assert "hush" not in repr(check_address(settings("https://llm.example/v1?key=hush", "sk-abcdefghijklmnop")))


def test_headers_of_the_environment(monkeypatch):
    """`OPENAI_CUSTOM_HEADERS` that are none fail, and an authorization in them is told; no value is shown."""
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "hush-hush")
    broken = check_variables(settings())
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer hush-hush")
    other = check_variables(settings())

    assert (broken.verdict, other.verdict) == ("fail", "warn")
    assert "hush" not in repr((broken, other))


@given(st.sampled_from(["", "http://", "https://a/", "https://["]), st.text(), st.text())
def test_whatever_is_given_is_judged(begin, rest, key):
    """No address and no key is so odd that it breaks the check; an address that passes can be gone to."""
    given_settings = settings(f"{begin}{rest}", key)

    address = check_address(given_settings)
    check_key(given_settings)
    if address.verdict != "fail":
        Route(check_base_url(given_settings.base_url), 1.0)
