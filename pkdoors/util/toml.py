"""Read TOML that people wrote, and write it. Pure."""

import re
import tomllib
from typing import Any

from pkdoors.errors import BadValue

MAX_DEPTH = 50
"""The deepest nesting of tables and lists. Our files have three levels; much deeper ones would
exceed Python's limit of recursion later."""
MAX_DOTS = 20
"""Dots in one line, outside quotes and comments. Our keys have two."""
_NUMBERS = range(-(2**63), 2**63)
"""TOML's own range of whole numbers. Python reads longer ones, and cannot write all of them."""
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|#.*""")
_WHERE = re.compile(r"(.*) \(at (line \d+, column \d+|end of document)\)", re.DOTALL)
_NAMED = re.compile(r"\(.*\)|'.*'|\".*\"", re.DOTALL)


def readToml(text: str) -> dict[str, Any]:
    """
    Parse a text as a TOML table.

    @raise BadValue: it is not TOML. The message gives the place and the reason, and quotes nothing
        of the text: a sequence is a secret. Nothing else is raised, whatever the text.
    """
    _checkKeys(text)
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise _tooDeep() from error
    except ValueError as error:
        raise BadValue(_reason(str(error))) from None  # the error itself may quote a secret
    level: list[Any] = [table]
    for _ in range(MAX_DEPTH):
        if any(isinstance(value, int) and value not in _NUMBERS for value in level):
            raise BadValue("a whole number is longer than 64 bits")
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise _tooDeep()
    return table


def _checkKeys(text: str) -> None:
    """Check that no key has too many dots: tomllib's time grows with their square."""
    for line in text.splitlines():
        if line.count(".") > MAX_DOTS and _QUOTED.sub("", line).count(".") > MAX_DOTS:
            raise BadValue(f"a line has more than {MAX_DOTS} dots outside quotes and comments")


def _tooDeep() -> BadValue:
    return BadValue(f"tables or lists are nested more than {MAX_DEPTH} levels deep")


def _reason(error: str) -> str:
    """Return tomllib's reason without its quotations, which stand in quotes or brackets."""
    match = _WHERE.fullmatch(error)
    if match is None:  # a number with thousands of digits
        return "a value cannot be read"
    reason, where = match.groups()
    if any(letter.isdigit() for letter in reason):
        reason = _NAMED.sub("it", reason)
    return f"{reason} (at {where})"


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def quoteString(text: str) -> str:
    """Return a string as TOML has it. JSON has the same escapes, but allows DEL as it is."""
    import json  # programs that only read do not need it

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
