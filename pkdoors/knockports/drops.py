"""Counts the datagrams that came to knock ports and were not heard."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SNMP = Path("/proc/self/net/snmp"), Path("/proc/self/net/snmp6")
"""The kernel's counters of UDP over IPv4, and over IPv6; C{proc(5)}."""

_IPV4 = re.compile(r"^Udp: (.*)\nUdp: (.*)$", re.M)
_IPV6 = re.compile(r"^Udp6RcvbufErrors\s+([0-9]+)$", re.M)


def readSnmp() -> str:
    """Return the kernel's counters as text."""
    return "\n".join(path.read_text() for path in SNMP if path.exists())


class Drops:
    """
    The kernel counts, for each socket, the datagrams that it filtered together with those that
    found the buffer full. It counts the latter for the whole host, too, so we can tell both apart
    as long as no other program's buffers are full; otherwise filtered ones may count as overflow.

    @param newDrops: returns how many datagrams the sockets have dropped since its last call.
    @param limited: returns how many datagrams the firewall has dropped.
    """

    def __init__(
        self,
        newDrops: Callable[[], int],
        limited: Callable[[], int],
        read: Callable[[], str] = readSnmp,
    ) -> None:
        self._newDrops = newDrops
        self._limited = limited
        self._read = read
        self._full = countBufferErrors(read())  # on the whole host, as last seen
        self._junk = self._overflow = 0

    def counts(self) -> dict[str, int]:
        """
        Return the counts so far: C{"limit"}, too many from one source; C{"junk"}, not knocks;
        C{"overflow"}, more than the buffers could hold.
        """
        with suppress(OSError):  # no descriptor is left: these drops count the next time
            full = countBufferErrors(self._read())
            dropped = self._newDrops()
            overflow = min(dropped, max(0, full - self._full))
            self._full = full
            self._overflow += overflow
            self._junk += dropped - overflow
        return {"limit": self._limited(), "junk": self._junk, "overflow": self._overflow}


class LogDrops:
    """
    The same for knocks from the kernel's packet log, where rules of the firewall sort out junk.

    @param newDrops: returns how many knocks the log has lost since its last call.
    @param limited: returns how many datagrams were more than one source may send.
    @param junk: returns how many datagrams were not knocks.
    """

    def __init__(
        self, newDrops: Callable[[], int], limited: Callable[[], int], junk: Callable[[], int]
    ) -> None:
        self._newDrops = newDrops
        self._limited = limited
        self._junk = junk
        self._overflow = 0

    def counts(self) -> dict[str, int]:
        """Return the counts so far; see L{Drops.counts}."""
        self._overflow += self._newDrops()
        return {"limit": self._limited(), "junk": self._junk(), "overflow": self._overflow}


def countBufferErrors(listing: str) -> int:
    """
    Return how many datagrams have found a full buffer, on the whole host.

    @param listing: the content of the files of L{SNMP}; what is missing counts as 0.
    """
    return _countIPv4(listing) + sum(int(count) for count in _IPV6.findall(listing))


def _countIPv4(listing: str) -> int:
    match = _IPV4.search(listing)
    if match is None:
        return 0
    counted = dict(zip(match[1].split(), match[2].split(), strict=False))
    return int(counted.get("RcvbufErrors", 0))
