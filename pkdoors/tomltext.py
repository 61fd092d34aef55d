"""Reads TOML as it comes from people. Pure."""

import tomllib
from typing import Any

from pkdoors.errors import BadValue

MAX_DEPTH = 50
"""Tables and lists within each other: our files have three. Whoever shows more than Python can
call within each other fails."""
_NUMBERS = range(-(2**63), 2**63)
"""TOML's own bound for whole numbers. Python reads longer ones, and cannot write all of them."""


def readToml(text: str) -> dict[str, Any]:
    """
    The table that is a text.

    @raise BadValue: it is no TOML, with the reason. Nothing else is raised, whatever the text.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadValue(str(error)) from error
    level: list[Any] = [table]
    for _ in range(MAX_DEPTH):
        if any(isinstance(each, int) and each not in _NUMBERS for each in level):
            raise BadValue("a whole number is longer than 64 bits")
        level = [inner for each in level for inner in _inside(each)]
    if level:
        raise BadValue(f"more than {MAX_DEPTH} tables or lists are within each other")
    return table


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
