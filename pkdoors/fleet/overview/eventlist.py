"""The events that the hosts of a fleet write. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pkdoors.admin.records import EventRecord
from pkdoors.adminclient.responses import readRecord
from pkdoors.errors import AskError
from pkdoors.fleet.engine import Entry, orderOf
from pkdoors.fleet.streams import EVENT


class HostEvent(NamedTuple):
    """
    An event of one host.

    @ivar event: L{None} if the host wrote something else.
    @ivar fields: the JSON of the event; empty if it is not JSON.
    """

    host: str
    position: str
    event: EventRecord | None
    fields: Mapping[str, Any]


def readEvents(entries: Mapping[str, Iterable[Entry]]) -> list[HostEvent]:
    """
    Return the events of all hosts in the order in which the engine took them in.

    @param entries: by host.
    """
    found = [_readEvent(host, entry) for host, given in entries.items() for entry in given]
    return sorted(found, key=lambda each: orderOf(each.position))


def _readEvent(host: str, entry: Entry) -> HostEvent:
    try:
        fields = json.loads(entry.fields.get(EVENT, b""))
        return HostEvent(host, entry.id, readRecord(EventRecord, fields), fields)
    except (AskError, ValueError, RecursionError):
        return HostEvent(host, entry.id, None, {})
