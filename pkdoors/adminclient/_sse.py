"""Server-sent events, as C{GET /events} sends them. Pure."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pkdoors.adminclient.responses import unknown


def readEvents(lines: Iterable[bytes]) -> Iterator[Any]:
    """
    The JSON of each event, as soon as the line comes that ends it.

    @param lines: each with its end; what comes after the last whole event is no event.
    @raise AskError: what an event holds is no JSON.
    """
    data: list[str] = []
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        field, _, value = text.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif not text and data:
            yield _parsed("\n".join(data))
            data.clear()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise unknown("an event is no JSON") from None
