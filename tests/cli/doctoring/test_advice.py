"""What to do about an error."""

from __future__ import annotations

import pytest

from openai_async.cli.doctoring.advice import Asked, advise
from openai_async.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    IncompleteStreamError,
    NotFoundError,
    OpenAIError,
    UnprocessableEntityError,
)

OPENAI = "https://api.openai.com/v1"
OTHER = "https://llm.example"


@pytest.mark.parametrize(("error", "url", "advice"), [
    (AuthenticationError("No.", status_code=401), OPENAI, "https://platform.openai.com/api-keys"),
    (AuthenticationError("No.", status_code=401), OTHER, "this server's"),
    (NotFoundError("No such model.", status_code=404), OTHER, "-m NAME"),
    (NotFoundError("Not found.", status_code=404), OTHER, "set the base URL to https://llm.example/v1."),
    (NotFoundError("Not found.", status_code=404), f"{OTHER}/api/v1", "is /api/v1 what the server's manual says"),
    (BadRequestError("No.", status_code=400, param="model"), OTHER, "-m NAME"),
    (BadRequestError("The model wants more.", status_code=400), OTHER, "plain request"),
    (UnprocessableEntityError("No.", status_code=422), f"{OTHER}/v1", "plain request"),
    (APIStatusError("No.", status_code=402), f"{OTHER}/v1", "no credit"),
    (APIStatusError("No.", status_code=413), f"{OTHER}/v1", "does not take this request"),
    (IncompleteStreamError("Cut."), OTHER, "breaks off"),
    (APIError("Oh."), OTHER, "began to answer"),
    (APIStatusError("No.", status_code=405), OTHER, "https://llm.example/v1"),
    (APIStatusError("Go there.", status_code=307), OTHER, "the address that the server names"),
    (APIResponseValidationError("What?"), OTHER, "https://llm.example/v1"),
    (APITimeoutError("Late."), OTHER, "--timeout"),
    (APIConnectionError("Gone."), OTHER, "breaks"),
])  # fmt: skip
def test_each_error_has_its_advice(error, url, advice):
    """What is advised suits the error and the address."""
    assert advice in " ".join(advise(error, Asked(url=url, model="m")))


@pytest.mark.parametrize(("models", "named"), [
    (["alpha", "gpt-5.4-mini", "beta"], "such as gpt-5.4-mini."),
    (["a", "b", "c", "d", "e", "f"], "such as a, b, c, d, e."),
])  # fmt: skip
def test_models_are_named(models, named):
    """Where the model does not exist, those that are called alike are named, or the first ones."""
    error = NotFoundError("No.", status_code=404, code="model_not_found")

    assert advise(error, Asked(url=OTHER, model="gpt-5-mini", models=models))[0].endswith(named)


def test_errors_of_the_settings():
    """An error that says by itself what to do has no advice."""
    assert advise(OpenAIError("Set the key."), Asked(url=OTHER, model="m")) == []
