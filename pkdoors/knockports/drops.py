"""Counts the datagrams that came to knock ports and were not heard."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SNMP = Path("/proc/self/net/snmp"), Path("/proc/self/net/snmp6")
"""Where the kernel tells of UDP over IPv4, and over IPv6; C{proc(5)}."""

_IPV4 = re.compile(r"^Udp: (.*)\nUdp: (.*)$", re.M)
_IPV6 = re.compile(r"^Udp6RcvbufErrors\s+([0-9]+)$", re.M)


def readSnmp() -> str:
    """What the kernel tells now."""
    return "\n".join(path.read_text() for path in SNMP if path.exists())


class Drops:
    """
    The kernel counts, for each socket, what it has filtered together with what found the buffer
    full. The latter it counts for the whole host, too, so that both can be told apart as long as no
    other program's buffers are full; where some are, what was filtered may count as not.

    @param take: gives how many the sockets have dropped since it was last asked.
    @param limited: gives how many the firewall has dropped.
    """

    def __init__(
        self,
        take: Callable[[], int],
        limited: Callable[[], int],
        read: Callable[[], str] = readSnmp,
    ) -> None:
        self._take = take
        self._limited = limited
        self._read = read
        self._full = bufferErrors(read())  # on the whole host, as last seen
        self._junk = self._overflow = 0

    def counts(self) -> dict[str, int]:
        """
        So far: C{"limit"}, too many from one source; C{"junk"}, no knocks; C{"overflow"}, more than
        the buffers could hold.
        """
        with suppress(OSError):  # no descriptor is left: what was dropped counts the next time
            full = bufferErrors(self._read())
            dropped = self._take()
            overflow = min(dropped, max(0, full - self._full))
            self._full = full
            self._overflow += overflow
            self._junk += dropped - overflow
        return {"limit": self._limited(), "junk": self._junk, "overflow": self._overflow}


def bufferErrors(listing: str) -> int:
    """
    How many datagrams have found a full buffer, on the whole host.

    @param listing: the content of L{SNMP}, one after the other; what is missing counts nothing.
    """
    return _over4(listing) + sum(int(each) for each in _IPV6.findall(listing))


def _over4(listing: str) -> int:
    match = _IPV4.search(listing)
    if match is None:
        return 0
    counted = dict(zip(match[1].split(), match[2].split(), strict=False))
    return int(counted.get("RcvbufErrors", 0))
