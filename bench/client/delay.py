"""
A path of some length between two hosts, for a kernel without netem: each packet goes through this
process, which holds it back for half a round trip.
"""

import fcntl
import heapq
import os
import select
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Thread

from tests.lab.hosts import Host

HERE, THERE = "10.8.0.2", "10.8.0.1"
"""The addresses at the ends of the path."""

_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_PACKET = 65_536


@contextmanager
def delayed(client: Host, server: Host, roundTrip: float) -> Iterator[None]:
    """
    Join two hosts by a path meanwhile: the client has the address L{HERE}, the server L{THERE}.

    @param roundTrip: seconds.
    """
    ends = [_openTunnel(client, HERE, THERE), _openTunnel(server, THERE, HERE)]
    stopping, stop = os.pipe()
    relay = Thread(target=_relay, args=(ends, roundTrip / 2, stopping))
    relay.start()
    try:
        yield
    finally:
        os.close(stop)
        relay.join()
        for descriptor in (*ends, stopping):
            os.close(descriptor)


def _openTunnel(host: Host, own: str, other: str) -> int:
    with host.inside():
        tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", b"far", _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(tunnel, _TUNSETIFF, request)
    host.run("ip", "address", "add", own, "peer", other, "dev", "far")
    host.run("ip", "link", "set", "far", "up", "txqueuelen", "10000")
    return tunnel


def _relay(ends: list[int], delay: float, stopping: int) -> None:
    """Carry packets both ways until a pipe is closed."""
    waiting: list[tuple[float, int, int, bytes]] = []
    numbers = count()
    while True:
        left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select([*ends, stopping], [], [], left)
        if stopping in ready:
            return
        for end in ready:
            packet = os.read(end, _PACKET)
            other = ends[end == ends[0]]
            heapq.heappush(waiting, (time.monotonic() + delay, next(numbers), other, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(waiting)
            os.write(end, packet)
