"""Parses server-sent events as they arrive. Pure."""

import json
from collections.abc import Callable
from typing import Any

MAX_LINE = 1 << 20
"""Bytes of an event; the daemon lets no more than this wait."""


class EventParser:
    """
    @param hear: called with the kind and the fields of each event.
    """

    def __init__(self, hear: Callable[[str, dict[str, Any]], None]) -> None:
        self._hear = hear
        self._rest = b""
        self._kind = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> None:
        """
        Take what arrived.

        @raise ValueError: it is not a stream of events with JSON objects.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise ValueError("a line without an end")
        for line in lines:
            self._read(line.decode("utf-8", "replace").removesuffix("\r"))

    def _read(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._kind = value
        elif field == "data":
            self._data.append(value)
        elif not line and self._data:
            kind, self._kind = self._kind, ""
            text = "\n".join(self._data)
            self._data.clear()
            fields = json.loads(text)
            if not isinstance(fields, dict):
                raise ValueError("an event is not an object")
            self._hear(kind, fields)
