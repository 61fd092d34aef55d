"""Parses server-sent events, as C{GET /events} sends them. Pure."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pkdoors.adminclient.responses import rejectAnswer


def readEvents(lines: Iterable[bytes]) -> Iterator[Any]:
    """
    Yield the JSON of each event, as soon as the line comes that ends the event.

    @param lines: the stream's lines, with their ends. An event that is cut off is left out.
    @raise AskError: the data of an event is not JSON.
    """
    data: list[str] = []
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        field, _, value = text.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif not text and data:
            yield _parse("\n".join(data))
            data.clear()


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise rejectAnswer("an event is not JSON") from None
