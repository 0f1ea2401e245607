"""`openai-async completion`: the script that lets a shell complete the words of this program.

The name of a shell comes in, its script goes to stdout. The words themselves are found by `completer`, in a process that
the script starts at each Tab. The scripts are our own: click's replace `--order=d` by `desc` in zsh, complete no
`--option=value` elsewhere, and cut help off at its first comma in fish.
"""

from __future__ import annotations

from typing import Literal

import click

from .completer import ASKED, LINE
from .outcome import PROGRAM, ExitCode

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

# bash takes what stands behind a `=` or `@` for a word of its own, unless COMP_WORDBREAKS says otherwise, or a quote is
# open before it. What it is given it puts between quotes as it is: there, names that need more than them are left out.
_BASH = r"""
_openai_async_completion() {
    local kind prefix value help begun word=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    while IFS=$'\x1f' read -r kind prefix value help; do
        begun= # what stands between the quote and the value
        [[ $word == [\'\"]"$prefix"* ]] && begun=$prefix
        case $kind${prefix: -1} in
            file@)
                while read -r value; do
                    if [[ $word != [\'\"]* ]]; then
                        COMPREPLY+=("@$(printf %q "$value")")
                    elif [[ $value != *[\'\"\\\`\$!]* ]]; then
                        COMPREPLY+=("${begun:-@}$value")
                    fi
                done < <(compgen -f -- "$value") ;;
            file*) compopt -o default ;;
            plain=) [[ -z $begun && $COMP_WORDBREAKS == *=* ]] && prefix=; COMPREPLY+=("$prefix$value") ;;
            plain*) COMPREPLY+=("$prefix$value") ;;
        esac
    done < <(ASKED=1 LINE="${COMP_LINE:0:COMP_POINT}" "$1" 2>/dev/null)
}
complete -o nosort -F _openai_async_completion PROGRAM
"""

_ZSH = r"""#compdef PROGRAM
_openai_async_completion() {
    local kind prefix value help begun files
    local -a found
    while IFS=$'\x1f' read -r kind prefix value help; do
        begun=$prefix
        case $kind in
            plain) found+=("${value//:/\\:}${help:+:$help}") ;;
            file) files=1 ;;
        esac
    done < <(ASKED=1 LINE="${words[1,CURRENT-1]} $QIPREFIX$PREFIX" $words[1] 2>/dev/null)
    [[ -n $begun ]] && compset -P "${(b)begun}"
    (( $#found )) && _describe -V PROGRAM found
    [[ -n $files ]] && _files
}
if (( $+compstate )); then # a file of $fpath, which is run at each Tab
    _openai_async_completion "$@"
else
    compdef _openai_async_completion PROGRAM
fi
"""

# fish completes files by itself where it is told to, behind an option's `=` as well, and asks twice at each Tab.
_FISH = r"""
function _openai_async_ask
    set -l line (commandline -cp | string collect)
    if test "$line" != "$_openai_async_line"
        set -g _openai_async_line $line
        set -g _openai_async_found (ASKED=1 LINE="$line" PROGRAM 2>/dev/null)
    end
end
function _openai_async_words
    _openai_async_ask
    for item in $_openai_async_found
        set -l field (string split \x1f -- $item)
        if test $field[1] = plain
            printf '%s%s\t%s\n' $field[2] $field[3] $field[4]
        else if string match -q '*@' -- $field[2]
            set -l path (string escape --no-quoted -- $field[3] | string replace -r '^\\\\~' '~')
            string replace -r '^' -- $field[2] (complete -C"'' $path")
        end
    end
end
function _openai_async_wants_file
    _openai_async_ask
    string match -q -r '^file\x1f(--.*=)?\x1f' -- $_openai_async_found
end
complete --command PROGRAM --no-files --arguments '(_openai_async_words)'
complete --command PROGRAM --condition _openai_async_wants_file --force-files
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@click.command("completion", epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(list(_SCRIPTS)))
def command(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print the script that lets SHELL complete commands, options and files at a Tab."""
    script = _SCRIPTS[shell].strip()
    click.echo(script.replace("ASKED", ASKED).replace("LINE=", f"{LINE}=").replace("PROGRAM", PROGRAM))
    return ExitCode.OK
