"""Makes lines for the daemon from the entries of streams."""

from collections import Counter
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from pkdoors.config.fleet import FleetConfig
from pkdoors.fleet.engine import Entry
from pkdoors.fleet.relay._backlog import MOST
from pkdoors.fleet.relay.daemonlink import makeOrderLine, makeSealLine
from pkdoors.fleet.streams import ORDER, SEAL, SOURCE, Streams
from pkdoors.knocks.knock import MAX_DATAGRAM

HANDED = "handed"
"""The count of all lines that a daemon got, or had already."""


class Heard:
    """
    The seals that the daemon of this host has judged itself, until they come back from the engine.
    To check a signature once more would cost as much as the knock did.
    """

    def __init__(self) -> None:
        self._seals: dict[bytes, None] = {}  # in their order

    def add(self, seal: bytes) -> None:
        """Remember a seal. The oldest gives way if the engine returns none for long."""
        self._seals[seal] = None
        if len(self._seals) > 2 * MOST:
            del self._seals[next(iter(self._seals))]

    def takeOut(self, seal: bytes) -> bool:
        """Forget a seal that came back. Return whether it was there."""
        return self._seals.pop(seal, self) is None

    def clear(self) -> None:
        """Forget all: another daemon judges now."""
        self._seals.clear()


class Lines:
    """
    @param counts: where own seals that came back and malformed entries are counted.
    @param heard: what this host's daemon has judged already.
    """

    def __init__(self, fleet: FleetConfig, counts: Counter[str], heard: Heard) -> None:
        streams = Streams(fleet.name)
        self._logs = {streams.log(host): host for host in fleet.hosts}
        self._own = streams.log(fleet.host)
        self._counts = counts
        self._heard = heard

    def make(self, found: Mapping[str, Sequence[Entry]]) -> list[bytes]:
        """
        Return lines for what could be a good seal or order, and is new to the daemon: orders first.

        @param found: entries by stream.
        """
        lines = []
        for name in sorted(found, key=self._logs.__contains__):
            for entry in found[name]:
                if name == self._own and self._heard.takeOut(entry.fields.get(SEAL, b"")):
                    self._counts[HANDED] += 1
                elif line := self._makeLine(name, entry.fields):
                    lines.append(line)
                else:
                    self._counts["malformed"] += 1
        return lines

    def _makeLine(self, name: str, fields: Mapping[str, bytes]) -> bytes:
        """Return the line for an entry; empty if it has no seal or order that could be good."""
        host = self._logs.get(name)
        data = fields.get(ORDER if host is None else SEAL, b"")
        if not 0 < len(data) <= MAX_DATAGRAM:
            return b""
        if host is None:
            return makeOrderLine(data)
        return makeSealLine(host, _readAddress(fields.get(SOURCE, b"")), data)


def _readAddress(data: bytes) -> str:
    """Return the address that an entry names; empty if it names none."""
    try:
        return str(ip_address(data.decode("ascii")))
    except ValueError:
        return ""
