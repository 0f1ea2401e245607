"""`openai-async completion`: the script that lets a shell complete the words of this program.

The name of a shell comes in, its script goes to stdout. The words themselves are found by click, in a process that the
script starts at each Tab: a variable of the environment, which `program` looks for, asks for them.
"""

from __future__ import annotations

from typing import Literal

import click
from click.shell_completion import get_completion_class

from .outcome import PROGRAM, ExitCode
from .program import _COMPLETION

__all__ = ["command"]

_EXAMPLES = """\b
For this shell only:
  eval "$(openai-async completion bash)"

\b
For every new one:
  echo 'eval "$(openai-async completion bash)"' >> ~/.bashrc
  echo 'eval "$(openai-async completion zsh)"' >> ~/.zshrc
  openai-async completion fish > ~/.config/fish/completions/openai-async.fish

zsh needs `autoload -U compinit; compinit` before that line; bash must be 4.4 or newer (macOS brings 3.2).
"""


@click.command("completion", epilog=_EXAMPLES, short_help="Print the script for completion in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print the script that lets SHELL complete commands, options and files at a Tab."""
    found = get_completion_class(shell)
    assert found is not None  # these three are click's own
    script = found(context.find_root().command, {}, PROGRAM, _COMPLETION)
    click.echo(script.source_template % script.source_vars())
    return ExitCode.OK
