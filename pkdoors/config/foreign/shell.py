"""Commands for a shell, as other programs have them, and the same as hooks of ours. Pure."""

import re
import shlex

Words = list[str]

SHELL = "/bin/sh"
ADDRESS = "PKDOORS_SOURCE"
"""The variable that has the client's address in a hook."""

_BETWEEN = frozenset((";", "&&", ";;"))
_SPECIAL = re.compile(r"[$`*?\[\]~<>|&;(){}\\\n!#=]")


def splitCommands(text: str) -> list[Words]:
    """
    Return the commands in a line that run one after the other, each as its words. The line as a
    whole, as one command without words, if it does something else.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[Words] = [[]]
    try:
        for word in lexer:
            if word in _BETWEEN:
                commands.append([])
            elif word and not {*word} - {*";&|<>"}:
                return []
            else:
                commands[-1].append(word)
    except ValueError:  # a quote without its end
        return []
    return [_withoutSudo(words) for words in commands if words]


def _withoutSudo(words: Words) -> Words:
    isSudo = words[0].rpartition("/")[2] == "sudo" and len(words) > 1
    return words[1:] if isSudo and not words[1].startswith("-") else words


def makeHook(text: str, placeholder: str) -> tuple[str, ...]:
    """
    Return a command for a shell as a hook.

    @param placeholder: stands for the client's address, wherever it is.
    """
    if placeholder not in text and not _SPECIAL.search(text):
        try:
            words = shlex.split(text)
        except ValueError:
            words = []
        if words and words[0].startswith("/"):
            return tuple(words)
    return (SHELL, "-c", _putAddress(text, placeholder))


def joinFamilies(ipv4: tuple[str, ...], ipv6: tuple[str, ...]) -> tuple[str, ...]:
    """Return a hook that runs one hook for IPv4 clients, and another one for IPv6 clients."""
    cases = f"case ${ADDRESS} in\n*:*) {_asLine(ipv6)}\n;;\n*) {_asLine(ipv4)}\n;;\nesac"
    return (SHELL, "-c", cases)


def _asLine(hook: tuple[str, ...]) -> str:
    """Return a line for a shell that does the same as a hook."""
    return hook[2] if hook[:2] == (SHELL, "-c") else shlex.join(hook)


def joinCommands(commands: list[Words]) -> str:
    """Return a line for a shell that runs commands one after the other."""
    return "; ".join(map(shlex.join, commands))


def _putAddress(text: str, placeholder: str) -> str:
    """
    Return a line in which a variable stands for the client's address. The shell must see it as a
    variable also where it stands in single quotes.
    """
    parts = text.split(placeholder)
    written, quote = parts[0], _quoteAfter(parts[0], "")
    for part in parts[1:]:
        variable = f"${{{ADDRESS}}}"
        written += {"'": f"'\"{variable}\"'", '"': variable}.get(quote, f'"{variable}"') + part
        quote = _quoteAfter(part, quote)
    return written


def _quoteAfter(text: str, quote: str) -> str:
    """Return the quote that is open after a part of a line; empty for none."""
    isEscaped = False
    for letter in text:
        if isEscaped:
            isEscaped = False
        elif letter == "\\" and quote != "'":
            isEscaped = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
    return quote
