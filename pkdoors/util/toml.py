"""Reads TOML as it comes from people. Pure."""

import re
import tomllib
from typing import Any

from pkdoors.errors import BadValue

MAX_DEPTH = 50
"""Tables and lists within each other: our files have three. Whoever shows more than Python can
call within each other fails."""
MAX_DOTS = 20
"""Outside quotes and comments of one line: a key of ours has two."""
_NUMBERS = range(-(2**63), 2**63)
"""TOML's own bound for whole numbers. Python reads longer ones, and cannot write all of them."""
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|#.*""")
_WHERE = re.compile(r"(.*) \(at (line \d+, column \d+|end of document)\)", re.DOTALL)
_NAMED = re.compile(r"\(.*\)|'.*'|\".*\"", re.DOTALL)


def readToml(text: str) -> dict[str, Any]:
    """
    The table that is a text.

    @raise BadValue: it is no TOML, with the place and the reason, which quotes nothing of the
        text: a sequence is a secret. Nothing else is raised, whatever the text.
    """
    _checkKeys(text)
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise _tooDeep() from error
    except ValueError as error:
        raise BadValue(_reason(str(error))) from None  # its words may quote a secret
    level: list[Any] = [table]
    for _ in range(MAX_DEPTH):
        if any(isinstance(each, int) and each not in _NUMBERS for each in level):
            raise BadValue("a whole number is longer than 64 bits")
        level = [inner for each in level for inner in _inside(each)]
    if level:
        raise _tooDeep()
    return table


def _checkKeys(text: str) -> None:
    """See that no key has too many dots: of those, tomllib takes the square of their number."""
    for line in text.splitlines():
        if line.count(".") > MAX_DOTS and _QUOTED.sub("", line).count(".") > MAX_DOTS:
            raise BadValue(f"more than {MAX_DOTS} dots are in a line, outside quotes and comments")


def _tooDeep() -> BadValue:
    return BadValue(f"more than {MAX_DEPTH} tables or lists are within each other")


def _reason(error: str) -> str:
    """What tomllib says is wrong, without what it quotes: it does so in quotes and in brackets."""
    match = _WHERE.fullmatch(error)
    if match is None:  # of a number with thousands of digits
        return "a value cannot be read"
    reason, where = match.groups()
    if any(each.isdigit() for each in reason):
        reason = _NAMED.sub("it", reason)
    return f"{reason} (at {where})"


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
