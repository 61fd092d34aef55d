"""Decides how the guard of this host writes knocks into the kernel's packet log."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from pkdoors.firewall.guard.capture import Capture
from pkdoors.firewall.netlink import reversepath
from pkdoors.firewall.netlink.logsocket import FIRST_GROUP, PacketLog
from pkdoors.firewall.netlink.reversepath import Interfaces

_NAME = re.compile(r"[\w.@:-]*[\w.@:-]", re.ASCII)  # as nft reads it; "*" would be a pattern


def readInterfaces() -> Interfaces:
    """
    Return the interfaces of this host that have names for nft.

    @raise OSError: the kernel cannot be asked.
    """
    found = reversepath.readInterfaces()
    strict, loose = (tuple(filter(_NAME.fullmatch, names)) for names in found[:2])
    return found._replace(strict=strict, loose=loose)


class Capturing:
    """
    Makes the guard's L{Capture}.

    @param hearsAll: see L{Capture}.
    @param readInterfaces: returns the interfaces, and which of them check where packets come from.
    """

    def __init__(
        self,
        log: PacketLog,
        hearsAll: bool = False,
        readInterfaces: Callable[[], Interfaces] = readInterfaces,
    ) -> None:
        self._packetLog = log
        self._hearsAll = hearsAll
        self._readInterfaces = readInterfaces

    def probe(self) -> Capture:
        """
        Return a capture with which the kernel can check a guard. Nothing stays open.

        @raise FirewallError: no group of the packet log can be bound.
        """
        self._packetLog.check()
        return Capture(FIRST_GROUP)

    def begin(self) -> Capture:
        """
        Bind a group of the packet log, and return the capture.

        @raise FirewallError: no group can be bound.
        """
        return self.refresh(Capture(self._packetLog.open().group, self._hearsAll))

    def refresh(self, capture: Capture) -> Capture:
        """Return a capture as the interfaces are now, as far as they can be read."""
        # No descriptor may be left, for example: the guard must come back all the same.
        with suppress(OSError):
            strict, loose, areNewStrict = self._readInterfaces()
            return replace(capture, strict=strict, loose=loose if areNewStrict else None)
        return capture
