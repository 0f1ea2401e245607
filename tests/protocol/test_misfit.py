"""Why a text is no object: reasons and places of each library's errors."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.protocol.misfit import explain


class Inner(msgspec.Struct):
    n: int


class Outer(msgspec.Struct):
    items: list[Inner]
    named: dict[str, Inner] = {}


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


class Owner(pydantic.BaseModel):
    pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]
    other: int | list[Cat] = 0
    named: dict[str, Cat] = {}
    pair: tuple[int, Cat] | None = None


class RudeError(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


class ListError(Exception):
    def errors(self) -> Any:
        """Look like pydantic's, and be something else."""
        return 3


def error_of(parse: Any, text: str) -> Exception:
    """What parsing raises."""
    with pytest.raises(Exception) as caught:
        parse(text)
    return caught.value


STRUCTS = msgspec.json.Decoder(Outer).decode
MODELS = Owner.model_validate_json
CAT = '{"kind":"cat","lives":1}'


@pytest.mark.parametrize(
    ("parse", "text", "place"),
    [
        (STRUCTS, "[]", ""),
        (STRUCTS, '{"items":[{"n":1},{"n":"x"}]}', "$.items[1].n"),
        (STRUCTS, '{"items":[],"named":{"a":{"n":"x"}}}', "$.named[...].n"),
        (STRUCTS, '{"items":[{"n":1}', ""),
        (STRUCTS, '{"items":[{"n":}]}', "byte 15"),
        (STRUCTS, '{"é":x', "byte 6"),
        (MODELS, "[]", ""),
        (MODELS, "{}", "$.pet"),
        (MODELS, '{"pet":{"kind":"cat","lives":"x"}}', "$.pet.lives"),
        (MODELS, '{"pet":{"kind":"cat"}}', "$.pet.lives"),
        (MODELS, '{"pet":{"kind":"cow"}}', "$.pet"),
        (MODELS, f'{{"pet":{CAT},"other":[{{"kind":"cat"}}]}}', "$.other"),
        (MODELS, f'{{"pet":{CAT},"named":{{"a b":{{"kind":"cat","lives":"x"}}}}}}', "$.named.a b.lives"),
        (MODELS, f'{{"pet":{CAT},"pair":[1,{{"kind":"cat"}}]}}', "$.pair[1].lives"),
        (MODELS, f'{{"pet":{CAT},"pair":{"[" * 150}1{"]" * 150}}}', ""),
        (MODELS, '{"pet":', ""),
        (MODELS, '{"pet":,}', "byte 7"),
        (MODELS, '{"é":1,\n "é" 3}', "byte 15"),
        (MODELS, '{"\ud800"', ""),
        (json.loads, '{"é" 1}', "byte 6"),
        (json.loads, '{"a": 1} and more', "byte 9"),
        (json.loads, '{"a": "b', ""),
        (json.loads, "", ""),
    ],
)  # fmt: skip
def test_places(parse: Any, text: str, place: str) -> None:
    """A misfit has a path in the text's JSON, broken JSON a byte, and what only ends too early no place."""
    reason, found = explain(error_of(parse, text), text)
    assert found == place
    assert reason
    assert "\n" not in reason
    assert " at line " not in reason


@given(text=st.text(st.sampled_from('{"é\n :1,]'), max_size=9), parse=st.sampled_from([STRUCTS, MODELS, json.loads]))
def test_bytes(text: str, parse: Any) -> None:
    """A byte that is named stands in the text."""
    try:
        parse(text)
    except (msgspec.MsgspecError, ValueError) as error:
        _, place = explain(error, text)
        if place.startswith("byte "):
            assert 0 <= int(place.removeprefix("byte ")) < len(text.encode())


def test_inside() -> None:
    """Of a value inside an object, the place is told from the root."""
    text = '{"value":{"items":[{"n":"x"}]}}'
    inner = '{"items":[{"n":"x"}]}'
    assert explain(error_of(STRUCTS, inner), text, inside="value")[1] == "$.value.items[0].n"
    assert explain(error_of(STRUCTS, "3"), '{"value":3}', inside="value")[1] == "$.value"
    whole = '{"value":{"pet":{"kind":"cat","lives":"x"}}}'
    assert explain(error_of(MODELS, whole[9:-1]), whole, inside="value")[1] == "$.value.pet.lives"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RudeError(), "RudeError"),
        (ListError("x"), "ListError"),
        (KeyError("gone"), "'gone'"),
        (StopIteration(), "StopIteration"),
    ],
)
def test_errors_of_others(error: Exception, reason: str) -> None:
    """An error of a type's own code is told in its words, or by its name if it has none."""
    assert explain(error, "{}") == (reason, "")


def test_a_byte_order_mark() -> None:
    """A mark in front counts, though `json` does not count it."""
    error = error_of(json.loads, '{"a" 1}')
    assert explain(error, '\ufeff{"a" 1}')[1] == "byte 8"
