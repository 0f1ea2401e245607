"""The base of every response type: a struct that keeps what it does not know.

In come values that msgspec decoded, or plain data (`from_dict`); out go typed attributes and, again, plain data
(`to_dict`, `to_json`). It never drops a key that the server sent, and never fails on a value of the wrong type.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

__all__ = ["Model", "plain"]

_T = TypeVar("_T")

# A value that has no place in a field's type. Distinct from None, which is a JSON null.
_MISFIT: Any = object()


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
    _extra: dict[str, Any] | UnsetType = msgspec.field(default=UNSET, name="\x7fextra")

    @property
    def model_extra(self) -> dict[str, Any]:
        """What the server sent beyond this type's fields: key to plain JSON value, possibly empty."""
        return {} if self._extra is UNSET else self._extra

    @property
    def model_fields_set(self) -> set[str]:
        """Names of all fields that hold a value, extras included; null counts as not set."""
        names = {name for name in self.__struct_fields__ if name[0] != "_" and getattr(self, name) is not None}
        return names.union(self.model_extra)

    def __getattr__(self, name: str) -> object:
        """Read an extra as an attribute; only called for names that are no field."""
        # A stub of msgspec's while it builds the object has no _extra yet: private names never are extras.
        if name[0] != "_" and self._extra is not UNSET and name in self._extra:
            return self._extra[name]
        msg = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(msg)

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
        """
        fields: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        plan = _plan(cls)
        for key, value in data.items():
            build = plan.get(key)
            if build is None:
                extra[key] = value
            elif value is not None:
                fitted = build(value)
                if fitted is _MISFIT:
                    extra[key] = value
                elif type(fitted) is _Remnant:
                    fields[key] = fitted.value
                    extra[key] = value
                else:
                    fields[key] = fitted
        if extra:
            fields["_extra"] = extra
        return cls(**fields)

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
        text = msgspec.json.encode(self.to_dict(**options))
        return (text if indent is None else msgspec.json.format(text, indent=indent)).decode()

    def model_dump(self, *, exclude_unset: bool = False, **options: Any) -> dict[str, Any]:
        """Return `to_dict()`, by default with every field, None included, as pydantic's models do."""
        return self.to_dict(exclude_unset=exclude_unset, **options)

    def model_dump_json(self, *, indent: int | None = None, exclude_unset: bool = False, **options: Any) -> str:
        """Return `model_dump()` as JSON text, by default on one line."""
        return self.to_json(indent=indent, exclude_unset=exclude_unset, **options)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, shallow unless `deep`, with the fields and extras in `update` changed."""
        twin = copy.deepcopy(self) if deep else copy.copy(self)
        if twin._extra is not UNSET:
            twin._extra = dict(twin._extra)
        for name, value in (update or {}).items():
            if name in self.__struct_fields__:
                setattr(twin, name, value)
            else:
                twin._extra = {**twin.model_extra, name: value}
        return twin

    def __repr__(self) -> str:
        """Show the fields that hold something, then the extras."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Name and value of each field that is not None, then of each extra: for `repr` and for rich."""
        shown = [(name, getattr(self, name)) for name in self.__struct_fields__ if name[0] != "_"]
        return [*((name, value) for name, value in shown if value is not None), *self.model_extra.items()]


def plain(value: Any, exclude_unset: bool = True, exclude_defaults: bool = False, exclude_none: bool = False) -> Any:  # noqa: FBT001, FBT002 - positional: one call per nested value
    """Return `value` with every `Model` in it turned into a dict; options as in `Model.to_dict`."""
    if isinstance(value, Model):
        return value.to_dict(
            exclude_unset=exclude_unset, exclude_defaults=exclude_defaults, exclude_none=exclude_none
        )
    if isinstance(value, list):
        return [plain(item, exclude_unset, exclude_defaults, exclude_none) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: plain(item, exclude_unset, exclude_defaults, exclude_none) for key, item in items}
    return value


class _Remnant(msgspec.Struct):
    """A list or map of which only some members fit: the field takes those, the extras keep the original."""

    value: Any





@cache
def _defaults(cls: type[Model]) -> tuple[tuple[str, Callable[[], Any]], ...]:
    """Each public field of `cls` with a function that makes its default."""

    def maker(field: msgspec.structs.FieldInfo) -> Callable[[], Any]:
        if field.default_factory is not msgspec.NODEFAULT:
            return cast("Callable[[], Any]", field.default_factory)
        return lambda: field.default

    return tuple((field.name, maker(field)) for field in msgspec.structs.fields(cls) if field.name[0] != "_")


@cache
def _plan(cls: type[Model]) -> dict[str, Callable[[Any], Any]]:
    """For each public field of `cls` a function that fits a plain, non-null value to the field's type.

    The function returns the fitted value, `_MISFIT`, or a `_Remnant`.
    """
    # Imported here: most programs never see a chunk that needs the second pass.
    from msgspec import inspect

    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)  # Models are structs
    return {field.name: _builder(field.type, field.name) for field in info.fields if field.name[0] != "_"}


def _builder(info: Any, name: str) -> Callable[[Any], Any]:
    from msgspec import inspect as kind

    if isinstance(info, kind.UnionType):
        # One type besides null, or several kinds of text or of number: unions of structs are settled after
        # decoding (see ChatCompletionMessage), because msgspec can't tell untagged structs apart.
        members = [member for member in info.types if not isinstance(member, kind.NoneType)]
        texts = [member for member in members if isinstance(member, kind.StrType)]
        return _builder((texts or members)[0], name)
    if isinstance(info, kind.StrType | kind.LiteralType):
        return _fit_json_text if name in {"arguments", "input"} else _fit_text
    if isinstance(info, kind.BoolType):
        return lambda value: value if isinstance(value, bool) else _MISFIT
    if isinstance(info, kind.IntType):
        return _fit_int
    if isinstance(info, kind.FloatType):
        return _fit_float
    if isinstance(info, kind.StructType):
        build = cast("type[Model]", info.cls).from_dict
        return lambda value: build(value) if isinstance(value, dict) else _MISFIT
    if isinstance(info, kind.ListType):
        return _fit_list(_builder(info.item_type, name))
    if isinstance(info, kind.DictType):
        return _fit_map(_builder(info.value_type, name))
    return lambda value: value


def _fit_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else _MISFIT


def _fit_json_text(value: Any) -> Any:
    """Text as it is; an object or array (Ollama's arguments) as its JSON."""
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else _fit_text(value)


def _fit_int(value: Any) -> Any:
    if isinstance(value, bool):
        return _MISFIT
    if isinstance(value, str):
        # int() also takes signs, spaces, underscores and other scripts' digits; a server means only these.
        return int(value) if value.isascii() and value.removeprefix("-").isdigit() and len(value) < 20 else _MISFIT
    if isinstance(value, float):
        return int(value) if value.is_integer() else _MISFIT
    return value if isinstance(value, int) else _MISFIT


def _fit_float(value: Any) -> Any:
    if isinstance(value, bool):
        return _MISFIT
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return _MISFIT
    try:
        return float(value) if isinstance(value, str) else _MISFIT
    except ValueError:
        return _MISFIT


def _fit_list(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def fit(value: Any) -> Any:
        if not isinstance(value, list):
            return _MISFIT
        return _whole([build(item) for item in cast("list[Any]", value)])

    return fit


def _whole(items: list[Any]) -> Any:
    """The list itself, or a remnant of it when an item did not fit."""
    if any(item is _MISFIT or type(item) is _Remnant for item in items):
        kept = [item.value if type(item) is _Remnant else item for item in items if item is not _MISFIT]
        return _Remnant(kept)
    return items


def _fit_map(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def fit(value: Any) -> Any:
        if not isinstance(value, dict):
            return _MISFIT
        items = {key: build(item) for key, item in cast("dict[str, Any]", value).items()}
        kept = {key: item for key, item in items.items() if item is not _MISFIT and type(item) is not _Remnant}
        return kept if len(kept) == len(items) else _Remnant(kept)

    return fit
