"""What a user may pass that can't be sent: it is refused before anything is."""

from __future__ import annotations

from typing import Any

from support.rawserver import answer, completion

from promises.case import Case
from promises.checks import refuses
from promises.sdk import KEY
from promises.seen import Seen
from promises.user import User, plain

__all__ = ["CASES"]

CANNOT = "tests/api/test_completions.py::test_values_that_can_not_be_sent"
CODEC = "tests/protocol/test_codec.py::test_what_can_not_be_sent"
BAD = "tests/reliability/test_bad_requests.py"
CLIENT = "tests/api/test_client.py"


def _params(**params: Any) -> Any:
    """A user who passes these."""

    async def call(user: User) -> None:
        user.keep(await user.create(**params))

    return call


def _message(content: Any) -> Any:
    return _params(messages=[{"role": "user", "content": content}])


def _client(**options: Any) -> Any:
    """A user whose client is made so."""

    async def call(user: User) -> None:
        user.client(**options)
        await plain(user)

    return call


def _bad(id: str, topic: str, needs: list[int], promise: str, user: Any, *proofs: str, **more: Any) -> Case:
    """A case of what can't be sent."""
    return Case(
        id=id, topic=topic, needs=needs, promise=promise, server=[answer(completion())], user=user,
        checks=[refuses(TypeError, ValueError), *more.pop("checks", [])], proofs=proofs, **more,
    )  # fmt: skip


def _hides_the_key(seen: Seen) -> str | None:
    return "the error shows the key" if KEY in seen.shown else None


VALUES = ("values that JSON has not", [])
LINES = ("line breaks", [47])

CASES = [
    _bad("send-nan", *VALUES, "NaN is refused, not sent as null.", _params(temperature=float("nan")), CANNOT, CODEC, f"{BAD}::test_data_is_sent_as_it_is_or_not_at_all"),
    _bad("send-infinity", *VALUES, "So is infinity, however deep inside.", _params(extra_body={"a": [{"b": float("inf")}]}), CANNOT, CODEC, f"{BAD}::test_any_value_anywhere"),
    _bad("send-bytes", *VALUES, "Bytes in a message are refused.", _message(b"hi"), CANNOT, CODEC, f"{BAD}::test_any_value_anywhere"),
    _bad("send-object", *VALUES, "An object that has no form in JSON is refused.", _message(object()), CANNOT, CODEC, f"{BAD}::test_any_value_anywhere"),
    _bad("send-keys", *VALUES, "Keys that are no strings are refused.", _params(extra_body={"a": {("b", 1): 2}}), CANNOT, CODEC, f"{BAD}::test_any_value_anywhere"),
    _bad("send-header", *LINES, "A line break in a header is refused.", _params(extra_headers={"x-a": "a\r\nx-b: c"}),
         f"{CLIENT}::test_headers_that_can_not_be", "tests/api/test_request.py::test_header_values_that_can_not_be", f"{BAD}::test_values_of_headers"),
    _bad("send-key", *LINES, "A key with a line break is refused, and not shown.", _client(api_key=f"{KEY}\nx"),
         f"{CLIENT}::test_key_with_a_line_break", f"{CLIENT}::test_function_that_gives_a_key_with_a_line_break", checks=[_hides_the_key]),
    _bad("url-scheme", "wrong addresses", [17], "An address without its scheme is refused.", _client(url="api.example.com/v1"),
         f"{CLIENT}::test_bad_base_urls", "tests/functional/test_messages.py::test_base_url_that_is_no_address",
         "tests/reliability/test_bad_settings.py::test_addresses_that_are_none"),
    _bad("misspelt", "wrong arguments", [], "A misspelt parameter is refused where it was made.", _params(temprature=1),
         "tests/api/test_completions.py::test_unknown_argument", "tests/functional/test_messages.py::test_misspelt_parameter", f"{BAD}::test_names_of_arguments"),
    _bad("no-messages", "wrong arguments", [], "A text in the place of the messages is refused where it was made.", _params(messages="hi"),
         "tests/api/test_completions.py::test_messages_that_are_no_list", f"{BAD}::test_what_an_argument_is_not"),
]  # fmt: skip
