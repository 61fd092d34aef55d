"""When doors open, on several hosts, as their kernels report it to one process."""

import os
import selectors
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pkdoors.firewall.netlink.dump import readElements
from pkdoors.firewall.netlink.messages import (
    FAMILY,
    MAX_ANSWER,
    NEW_ELEMENT,
    NFTABLES,
    splitMessages,
)
from pkdoors.firewall.nftables._monitor import listenToNftables
from tests.lab.fleet.member import Member


class Watch:
    """
    Follows the changes to nftables on some hosts, like C{nft monitor}. The daemons do nothing for
    it, and an opening counts from the moment when packets pass.
    """

    def __init__(self, members: Iterable[Member]) -> None:
        self._selector = selectors.DefaultSelector()
        for member in members:
            with member.host.inside():
                listening = listenToNftables(0)
            self._selector.register(listening, selectors.EVENT_READ, member.name)

    def opened(self, patience: float) -> Iterator[tuple[str, str, float]]:
        """
        Yield host, source and time of each opening that the kernels report in the next moment. An
        opening has several elements in the guard's sets, so it is reported more than once.

        @param patience: the most seconds to wait for the first.
        """
        for key, _ in self._selector.select(patience):
            now = time.monotonic()
            assert isinstance(key.fileobj, socket.socket)
            with suppress(BlockingIOError):
                for source in _readSources(key.fileobj.recv(MAX_ANSWER)):
                    yield key.data, source, now

    def waitFor(self, source: str, hosts: set[str], patience: float) -> dict[str, float]:
        """Return when each host opened for a source; a host that did not is missing."""
        found: dict[str, float] = {}
        end = time.monotonic() + patience
        while hosts - {*found} and (left := end - time.monotonic()) > 0:
            for host, opened, now in self.opened(left):
                if opened == source:
                    found.setdefault(host, now)
        return found

    def close(self) -> None:
        """Hang up."""
        for key in [*self._selector.get_map().values()]:
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


def beFirst() -> None:
    """
    Run this thread before all others whenever it has something to do, but not what it starts.
    Otherwise, on busy processors, a time would be that of our turn.
    """
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def _readSources(data: bytes) -> Iterator[str]:
    """Yield the IPv4 addresses with which the keys of new elements begin."""
    for kind, _, body in splitMessages(data):
        if kind == NFTABLES << 8 | NEW_ELEMENT:
            for element in readElements([(kind, body[FAMILY.size :])]):
                if len(element.key) >= 4:
                    yield socket.inet_ntoa(element.key[:4])
