"""The tree of errors: as it is drawn, and each of them plain data that can be kept, sent and shown."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

import openai_async
from openai_async import errors
from openai_async.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    Attempt,
    ContentFilterFinishReasonError,
    IncompleteStreamError,
    LengthFinishReasonError,
    OpenAIError,
    RateLimitError,
    StreamStateError,
)
from openai_async.types.chat import ChatCompletion

CLASSES = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, Exception)}
API_ERRORS = [cls for cls in CLASSES.values() if issubclass(cls, APIError)]
COMPLETION = ChatCompletion.from_dict(
    {"id": "c1", "x": 1, "choices": [{"message": {"content": "Hel"}}], "usage": {"completion_tokens": 7}}
)
FIELDS = {
    "status_code": 429,
    "headers": {"x-request-id": "req_1", "retry-after": "2"},
    "request_id": "req_1",
    "code": "c",
    "type": "t",
    "param": "p",
    "body": {"message": "m", "code": "c"},
    "partial": COMPLETION,
}
ATTEMPTS = (Attempt("one", 500, 0.5, 1.0), Attempt("two", None, 0.25, None))

by_class = pytest.mark.parametrize("cls", API_ERRORS, ids=lambda cls: cls.__name__)


def drawn() -> dict[str, str]:
    """The tree in the docstring: each class's name, and that of the class it stands below."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in inspect.getdoc(errors).splitlines():
        match = re.match(r"\s*([│├└─ ]*)(\w+Error)\b", line)
        if match is None:
            continue
        indent = match.start(2)
        while above and above[-1][0] >= indent:
            above.pop()
        parents[match[2]] = above[-1][1] if above else "Exception"
        above.append((indent, match[2]))
    return parents


def test_the_tree_is_the_one_drawn():
    """The docstring draws every class exactly below its base."""
    assert drawn() == {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items()}


def test_every_error_is_public():
    """Each class, and what its fields are made of, is exported here and from the package itself."""
    assert set(errors.__all__) == {*CLASSES, "Attempt", "TimeoutPhase"}
    for name, cls in CLASSES.items():
        assert getattr(openai_async, name) is cls
        assert name in openai_async.__all__


def test_one_base():
    """Whatever the package raises can be caught as one class; a misused stream is a RuntimeError, too."""
    assert all(issubclass(cls, OpenAIError) for cls in CLASSES.values())
    assert issubclass(StreamStateError, RuntimeError)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("BadRequestError", 400),
        ("AuthenticationError", 401),
        ("PermissionDeniedError", 403),
        ("NotFoundError", 404),
        ("ConflictError", 409),
        ("UnprocessableEntityError", 422),
        ("RateLimitError", 429),
        ("InsufficientQuotaError", 429),
        ("InternalServerError", 500),
        ("APIStatusError", None),
    ],
)
def test_the_status_of_a_class(name, status):
    """Each class knows the status it stands for."""
    assert CLASSES[name].default_status == status


@by_class
def test_fields(cls):
    """Every field that is given can be read; what is left out is nothing."""
    error = cls("m", **FIELDS)
    assert {name: getattr(error, name) for name in FIELDS} == FIELDS
    assert (error.message, error.attempts, error.args) == ("m", (), ("m",))
    bare = cls("m")
    assert {name: getattr(bare, name) for name in FIELDS} == {**dict.fromkeys(FIELDS), "headers": {}}


@by_class
def test_headers_of_its_own(cls):
    """Two errors without headers don't share the empty ones."""
    first, second = cls("m"), cls("m")
    first.headers["x"] = "y"
    assert second.headers == {}


@by_class
@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol)) for protocol in range(2, 6)),
    ],
)
def test_copies_and_pickles(cls, again):
    """A copied or pickled error is of the same class, and says and shows the same."""
    error = cls("m", **FIELDS)
    error.attempts = ATTEMPTS
    error.add_note("a note")
    twin = again(error)
    assert type(twin) is cls
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)
    assert twin.args == error.args
    assert twin.__notes__ == ["a note"]


@pytest.mark.parametrize("phase", ["pool", "connect", "first_token", "idle", "total"])
def test_timeouts_keep_their_phase(phase):
    """A timeout's phase survives a pickle and a copy."""
    error = APITimeoutError("m", phase=phase, headers={"a": "b"})
    for twin in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert (twin.phase, twin.headers, str(twin)) == (phase, {"a": "b"}, "m")
    assert APITimeoutError("m").phase == "total"


@pytest.mark.parametrize("cls", [LengthFinishReasonError, ContentFilterFinishReasonError])
def test_completions_in_errors(cls):
    """An answer that could not be parsed comes with the error, also through a pickle."""
    for twin in (cls(COMPLETION), pickle.loads(pickle.dumps(cls(COMPLETION))), copy.deepcopy(cls(COMPLETION))):
        assert twin.completion == COMPLETION


@pytest.mark.parametrize("cls", [OpenAIError, StreamStateError])
def test_plain_errors(cls):
    """Errors without fields are their message."""
    twin = pickle.loads(pickle.dumps(cls("m")))
    assert (type(twin), str(twin)) == (cls, "m")


# How they read.


@pytest.mark.parametrize(
    ("fields", "attempts", "text"),
    [
        ({}, (), "m"),
        ({"status_code": 429}, (), "Error code: 429 - m"),
        ({"request_id": "req_1"}, (), "m (request id: req_1)"),
        ({"request_id": ""}, (), "m"),
        ({"status_code": 500, "request_id": "r"}, ATTEMPTS, "Error code: 500 - m (request id: r) (after 2 attempts)"),
        ({}, ATTEMPTS[:1], "m"),
        ({"code": "c", "type": "t", "param": "p", "body": {"a": 1}, "partial": COMPLETION}, (), "m"),
    ],
)
@by_class
def test_text(cls, fields, attempts, text):
    """An error reads as its status, its message, the request's id, and how often it was tried."""
    error = cls("m", **fields)
    error.attempts = attempts
    assert str(error) == text
    assert repr(error) == f"{cls.__name__}('m')"


def test_a_message_that_is_changed():
    """The text follows the message: a key is taken out of both."""
    error = APIStatusError("the key is secret", status_code=401)
    error.message = "the key is ***"
    assert str(error) == "Error code: 401 - the key is ***"


def test_text_of_a_cut_off_answer():
    """The text tells how many tokens were used, where that is known, and what to do."""
    assert str(LengthFinishReasonError(COMPLETION)) == (
        "The answer was cut off by the token limit and could not be parsed: 7 tokens were used. "
        "Raise max_completion_tokens."
    )
    for unknown in (ChatCompletion(), None):
        assert "parsed. Raise" in str(LengthFinishReasonError(unknown))


def test_text_of_a_withheld_answer():
    """The text says that nothing can be parsed; there may be no completion at all."""
    assert "withheld" in str(ContentFilterFinishReasonError())
    assert ContentFilterFinishReasonError().completion is None


def test_kinds():
    """Who catches connection errors catches timeouts and cut streams; a rate limit is a refusal."""
    assert issubclass(APITimeoutError, APIConnectionError)
    assert issubclass(IncompleteStreamError, APIConnectionError)
    assert issubclass(RateLimitError, APIStatusError)
    assert not issubclass(APIResponseValidationError, APIConnectionError | APIStatusError)
