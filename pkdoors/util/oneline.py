"""Text that came from elsewhere, as part of one line. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_COMPLAINTS = 20
"""About one file: whoever has more to mend does not read them either."""


def oneLine(text: str, most: int) -> str:
    """
    The text without what ends a line, moves a cursor or is not to be seen: a C{?} for each.

    @param most: characters; what is beyond is cut off.
    """
    return "".join(each if each.isprintable() else "?" for each in text[:most])


def printable(text: str, kept: str = "") -> str:
    """
    Return the text with nothing in it that ends a line, steers a terminal, or is not to be seen:
    control characters, escape sequences, changes of the direction of writing, half a surrogate.
    Each is shown as Python's escape for it, so that one sees what was there.

    @param kept: characters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in kept else ascii(each)[1:-1] for each in text
    )


def foremost(lines: Sequence[str], what: str, most: int = MAX_COMPLAINTS) -> list[str]:
    """
    Return the first lines, and of more than C{most} a last one that counts the others.

    @param what: what the others are, as the end of that line: "and 3 more ...".
    """
    left = len(lines) - most
    return [*lines[:most], *([f"and {left} more {what}"] if left > 0 else [])]


def jsonLine(value: Mapping[str, Any]) -> str:
    """
    A value as JSON, in one line without its end. Letters of all scripts stay as they are; what ends
    a line anywhere, or is not to be seen, is escaped.
    """
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    # Such a character can only be within a string, where its escape means the same.
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
