"""Make text from elsewhere fit for one line. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

MAX_COMPLAINTS = 20
"""Complaints about one file. Nobody reads more at once."""


def oneLine(text: str, most: int) -> str:
    """
    Return the text with a C{?} for each character that ends a line, moves the cursor or is
    invisible.

    @param most: the most characters; the rest is cut off.
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text[:most])


def printable(text: str, kept: str = "") -> str:
    """
    Return the text with nothing in it that ends a line, controls a terminal or is invisible:
    control characters, escape sequences, changes of the writing direction, lone surrogates. Each
    of these becomes Python's escape for it, so the reader sees what was there.

    @param kept: characters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in kept else ascii(letter)[1:-1] for letter in text
    )


def limitLines(lines: Sequence[str], what: str, most: int = MAX_COMPLAINTS) -> list[str]:
    """
    Return the first lines, and if there are more than C{most}, a last line that counts the others.

    @param what: what the others are, to end that line: "and 3 more ...".
    """
    left = len(lines) - most
    return [*lines[:most], *([f"and {left} more {what}"] if left > 0 else [])]


def formatJSONLine(value: Mapping[str, Any]) -> str:
    """
    Return a value as one line of JSON, without a newline. Letters of all scripts stay as they are;
    characters that end a line anywhere, or are invisible, are escaped.
    """
    import json  # the client writes none

    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    # Such a character can only be within a string, in which its escape means the same.
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)
