"""Text that came from elsewhere, as part of one line. Pure."""

import json
from collections.abc import Mapping
from typing import Any


def oneLine(text: str, most: int) -> str:
    """
    The text without what ends a line, moves a cursor or is not to be seen: a C{?} for each.

    @param most: characters; what is beyond is cut off.
    """
    return "".join(each if each.isprintable() else "?" for each in text[:most])


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
