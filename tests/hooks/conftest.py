"""Settings of these tests: an environment that says nothing of keys, logs and content."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("OPENAI_", "OTEL_")):
            monkeypatch.delenv(name)
