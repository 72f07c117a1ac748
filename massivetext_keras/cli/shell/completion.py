"""The verb that prints a script with which bash or zsh completes words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from massivetext_keras.cli.flags import VERBS, Flag, Verb, verb

_BASH = """\
# Completes words of massivetext in bash: source <(massivetext completion bash)
_massivetext() {
    local IFS=$'\\n' line=${COMP_LINE:0:COMP_POINT}
    local word=${line##*[[:space:]]}
    COMPREPLY=($(massivetext completion bash --line="$line" 2>/dev/null))
    if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        compopt -o filenames
        COMPREPLY=($(compgen -f -- "${word#--*=}"))
        return
    fi
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    [[ $word == *=* ]] && COMPREPLY=("${COMPREPLY[@]#*=}")
}
complete -F _massivetext massivetext
"""
_ZSH = """\
#compdef massivetext
# Completes words of massivetext in zsh: source <(massivetext completion zsh)
_massivetext() {
    local -a found values
    found=("${(@f)$(massivetext completion zsh --line="$LBUFFER" 2>/dev/null)}")
    found=(${found:#})
    if (( ! $#found )); then
        compset -P '--*='
        _files
        return
    fi
    values=(${(M)found:#*=})
    compadd -S '' -a values
    values=(${found:#*=})
    compadd -a values
}
compdef _massivetext massivetext
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH}


@verb("completion")
def completion(
    shell: Annotated[Literal["bash", "zsh"], "whose script is printed"],
    *,
    line: Annotated[
        str | None, "print what may come next in a command line instead"
    ] = None,
) -> None:
    """Print a script with which bash or zsh completes words.

    Verbs, flags, the values of flags that have a fixed set of them, and the names of
    shapes are completed; where none fits, files are. The script asks this program, so
    that it knows what other packages add, too.

    Examples:
        massivetext completion bash > ~/.massivetext.bash
        massivetext completion zsh > ~/.massivetext.zsh
    """
    if line is None:
        print(_SCRIPTS[shell], end="")
        return
    for word in candidates(line):
        print(word)


def candidates(line: str) -> list[str]:
    """What may stand at the end of a command line.

    Args:
        line: up to the cursor; its last word is the one that is completed, "" behind
            a space.

    >>> candidates("massivetext corp")
    ['corpus']
    >>> candidates("massivetext corpus s")
    ['stats']
    >>> candidates("massivetext plan --attention=p")
    ['--attention=plain']
    """
    *words, last = line.split(" ")
    words = [word for word in words if word][1:]
    found = _verb_at(words)
    if found is None:
        depth = len(words)
        names = {
            name.split()[depth]
            for name in VERBS
            if name.split()[:depth] == words and len(name.split()) > depth
        }
        choices: Sequence[str] = (
            sorted(names)
            if depth
            else [*dict.fromkeys(name.split()[0] for name in VERBS)]
        )
    elif "=" in last:
        choices = _values(found, last.partition("=")[0])
    elif last.startswith("-"):
        choices = [form for flag in found.flags for form in _forms(flag)] + ["--help"]
    else:
        given = len(words) - len(found.name.split())
        choices = _words_of(found, given)
    return [word for word in choices if word.startswith(last)]


def _verb_at(words: Sequence[str]) -> Verb | None:
    """The verb with which words begin, once it is whole."""
    for count in (2, 1):
        found = VERBS.get(" ".join(words[:count]))
        if found is not None and len(words) >= count:
            return found
    return None


def _forms(flag: Flag) -> list[str]:
    """How a flag is written: with = if a value follows."""
    if flag.kind is bool:
        return [f"--{flag.name}", f"--no{flag.name}"]
    return [f"--{flag.name}="]


def _values(found: Verb, name: str) -> list[str]:
    """The values that a flag may have, with the flag."""
    for flag in found.flags:
        if name == f"--{flag.name}":
            return [f"{name}={value}" for value in _choices(flag)]
    return []


def _choices(flag: Flag) -> Sequence[str]:
    if isinstance(flag.kind, tuple):
        return flag.kind
    if flag.name == "preset":
        from massivetext_keras.architecture.shapes import PRESETS

        return [*PRESETS]
    return ()


def _words_of(found: Verb, given: int) -> Sequence[str]:
    """The values of a flag that is written as a word without dashes."""
    for flag in found.flags:
        if found.words[given : given + 1] == (flag.name,):
            return _choices(flag)
    return ()
