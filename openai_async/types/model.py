"""The base of every response type: a struct that keeps what it does not know.

In come values that msgspec decoded, or plain data (`from_dict`); out go typed attributes and, again, plain data
(`to_dict`, `to_json`). It never drops a key that the server sent, and never fails on a value of the wrong type.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType

from .fit import MISFIT, Remnant, json_text, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

__all__ = ["Model", "Response", "plain", "sendable"]

M = TypeVar("M", bound="Model")

# Types of what no decoder may take from JSON, as nothing is that long: a hostile key of such a field's name is read by the
# lenient pass, which knows only public ones.
_Extra: TypeAlias = Annotated[dict[str, Any], msgspec.Meta(min_length=2**60)]
_RequestId: TypeAlias = Annotated[str, msgspec.Meta(min_length=2**60)]


class Model(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A response object: typed fields, and every other key of the JSON in `model_extra`.

    msgspec's own decoders are strict about this class: an unknown key or a value of the wrong type is an error.
    `from_dict` is the second, lenient pass. Two rules hold for both:

    * **null and absent are one.** A field that the server left out or sent as null reads as its default.
    * **what does not fit is kept.** An unknown key, or a known key whose value has another type, is in
      `model_extra`. Unknown keys can be read as attributes, too: `delta.reasoning_content`.

    The struct is not tracked by the garbage collector (`gc=False`): JSON has no cycles. Don't build one.
    """

    # The name starts with DEL: no vendor's key does, and msgspec leaves UNSET out when it encodes.
    _extra: _Extra | UnsetType = msgspec.field(default=UNSET, name="\x7fextra")

    @property
    def model_extra(self) -> dict[str, Any]:
        """What the server sent beyond this type's fields: key to plain JSON value, possibly empty."""
        return {} if self._extra is UNSET else self._extra

    @property
    def model_fields_set(self) -> set[str]:
        """Names of all fields that hold a value, extras included; null counts as not set."""
        names = {name for name in self.__struct_fields__ if name[0] != "_" and getattr(self, name) is not None}
        return names.union(self.model_extra)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> object: ...  # of objects with extras: see `_with_extras`

    @classmethod
    def build(cls, fields: Mapping[str, Any], extra: dict[str, Any] | UnsetType) -> Self:
        """Make an object that knows more than its fields.

        Args:
            fields: The typed fields' values.
            extra: The keys beside them, not copied; empty or UNSET: there are none.
        """
        return _with_extras(cls)(**fields, _extra=extra) if extra else cls(**fields)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain JSON data, keeping everything.

        Whole floats become ints, decimal strings numbers, and an object in the place of JSON text (`arguments`,
        as some vendors send it) its text. Any other value of the wrong type leaves the field at its default and
        stays readable in `model_extra`.

        Args:
            data: The decoded JSON object. It is not changed, but unknown values are shared with it.

        Returns:
            The object; for every input, there are no invalid ones.

        Raises:
            ValueError: A tool call, a content part or a verdict is nested in more than 128 levels.
        """
        fields: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        builders = plan(cls)
        for key, value in data.items():
            build = builders.get(key)
            if build is None:
                extra[key] = value
            elif value is not None:
                fitted = build(value)
                if fitted is MISFIT:
                    extra[key] = value
                elif type(fitted) is Remnant:
                    fields[key] = fitted.value
                    extra[key] = value
                else:
                    fields[key] = fitted
        return cls.build(fields, extra)

    model_validate = from_dict

    def to_dict(
        self,
        *,
        mode: str = "python",
        use_api_names: bool = True,
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = True,
    ) -> dict[str, Any]:
        """Return plain data, extras included, nested objects as dicts.

        Args:
            mode: Accepted as in the official SDK; "json" and "python" are the same here.
            use_api_names: Accepted as in the official SDK; attributes carry the API's names already.
            exclude_unset: Leave out fields that are None (null and absent are one).
            exclude_defaults: Leave out every field that holds its default.
            exclude_none: Leave out None everywhere, also in extras' top level.
            warnings: Accepted as in the official SDK; there is nothing to warn of.

        Returns:
            A new dict. An extra whose key is a field's name (a value that did not fit) takes the field's place.
        """
        del mode, use_api_names, warnings
        skip_none = exclude_unset or exclude_none
        out: dict[str, Any] = {}
        for name, default in _defaults(type(self)):
            value = getattr(self, name)
            if value is None:
                if not skip_none and not exclude_defaults:
                    out[name] = None
            elif not (exclude_defaults and value == default()):
                out[name] = plain(value, exclude_unset, exclude_defaults, exclude_none)
        for name, value in self.model_extra.items():
            if not (value is None and exclude_none):
                out[name] = plain(value, exclude_unset, exclude_defaults, exclude_none)
        return out

    def to_json(self, *, indent: int | None = 2, **options: Any) -> str:
        """Return `to_dict(**options)` as JSON text, indented by `indent` spaces (None: on one line, no spaces)."""
        return json_text(self.to_dict(**options), indent)

    def model_dump(self, *, exclude_unset: bool = False, **options: Any) -> dict[str, Any]:
        """Return `to_dict()`, by default with every field, None included, as pydantic's models do."""
        return self.to_dict(exclude_unset=exclude_unset, **options)

    def model_dump_json(self, *, indent: int | None = None, exclude_unset: bool = False, **options: Any) -> str:
        """Return `model_dump()` as JSON text, by default on one line."""
        return self.to_json(indent=indent, exclude_unset=exclude_unset, **options)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, shallow unless `deep`, with the fields and extras in `update` changed."""
        twin = copy.deepcopy(self) if deep else self
        fields = twin._fields()
        extra = dict(twin.model_extra)
        for name, value in (update or {}).items():
            if name in fields:
                fields[name] = value
                extra.pop(name, None)  # a value that did not fit would come back in `to_dict`
            else:
                extra[name] = value
        return _without_extras(type(self)).build(fields, extra)

    def _fields(self) -> dict[str, Any]:
        """The fields' values, extras aside."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "_extra"}

    def __repr__(self) -> str:
        """Show the fields that hold something, then the extras."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Name and value of each field that is not None, then of each extra: for `repr` and for rich."""
        shown = [(name, getattr(self, name)) for name in self.__struct_fields__ if name[0] != "_"]
        return [*((name, value) for name, value in shown if value is not None), *self.model_extra.items()]


@cache
def _with_extras(cls: type[Any]) -> type[Any]:
    """Return the class of those objects of `cls` that have extras: it reads them as attributes.

    A class of its own, as CPython reads every attribute of a class that has a `__getattr__` the slow way: it took a
    quarter of all that a chunk costs, for what few servers send (25 of 100 instructions, counted on 3.11).
    """

    def read(self: Model, name: str) -> object:
        """Read an extra; only called for names that are no field."""
        # A stub of msgspec's while it builds the object has no _extra yet: private names never are extras.
        if not name.startswith("_") and name in self.model_extra:
            return self.model_extra[name]
        msg = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(msg)

    def reduce(self: Model) -> tuple[Any, ...]:
        """Name the class that can be imported."""
        return cls.build, (self._fields(), self.model_extra)

    own = {"__getattr__": read, "__reduce__": reduce, "_plain": cls}
    own |= {name: getattr(cls, name) for name in ("__doc__", "__module__", "__qualname__")}
    return msgspec.StructMeta(cls.__name__, (cls,), own)


def _without_extras(cls: type[M]) -> type[M]:
    """Return the class that `_with_extras` was made of, or `cls` itself."""
    return getattr(cls, "_plain", cls)


class Response(Model):
    """A model that is the whole body of a response, and so knows the request's id."""

    # The `x-request-id` header. The name keeps it out of JSON, as `Model._extra`'s does.
    _response_id: _RequestId | UnsetType = msgspec.field(default=UNSET, name="\x7frequest_id")

    @property
    def _request_id(self) -> str | None:
        """The `x-request-id` of the response it came in; None: there was none."""
        return None if self._response_id is UNSET else self._response_id

    def __eq__(self, other: object) -> bool:
        """Compare what was answered; the ids of the two requests, which always differ, don't count."""
        if not isinstance(other, Response) or type(self) is not type(other):
            return NotImplemented
        names = (name for name in self.__struct_fields__ if name != "_response_id")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # type: ignore[assignment]  # mutable, as all models are


def plain(value: Any, exclude_unset: bool = True, exclude_defaults: bool = False, exclude_none: bool = False) -> Any:  # noqa: FBT001, FBT002 - positional: one call per nested value
    """Return `value` with every `Model` in it turned into a dict; options as in `Model.to_dict`."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Model):
        return value.to_dict(exclude_unset=exclude_unset, exclude_defaults=exclude_defaults, exclude_none=exclude_none)
    if isinstance(value, list):
        return [plain(item, exclude_unset, exclude_defaults, exclude_none) for item in cast("Iterable[Any]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: plain(item, exclude_unset, exclude_defaults, exclude_none) for key, item in items}
    return _foreign(value)


def sendable(part: Model) -> dict[str, Any]:
    """Return `part` as plain data for a request: without nulls, and without values that did not fit their field."""
    out: dict[str, Any] = {}
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if name[0] != "_" and value is not None:
            out[name] = sendable(value) if isinstance(value, Model) else plain(value)
    for name, value in part.model_extra.items():
        if name not in part.__struct_fields__:
            out[name] = plain(value)
    return out


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _foreign(value: Any) -> Any:
    """Plain data of a user's object (`parsed`): a pydantic model, a dataclass, a struct; else the object itself."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except TypeError:
        return value


@cache
def _defaults(cls: type[Model]) -> tuple[tuple[str, Callable[[], Any]], ...]:
    """Each public field of `cls` with a function that makes its default."""

    def maker(field: msgspec.structs.FieldInfo) -> Callable[[], Any]:
        if field.default_factory is not msgspec.NODEFAULT:
            return cast("Callable[[], Any]", field.default_factory)
        return lambda: field.default

    return tuple((field.name, maker(field)) for field in msgspec.structs.fields(cls) if field.name[0] != "_")
