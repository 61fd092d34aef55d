"""
A netlink socket. The messages of nftables are read here without
L{pkdoors.firewall.netlink.messages}.
"""

import errno
import socket
import struct
from collections import deque
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase


class Change(NamedTuple):
    """
    A message of netlink about an element of a set.

    @ivar flags: the flags of the message, C{NLM_F_...}.
    @ivar milliseconds: the timeout; 0 if there is none.
    @ivar comment: what C{nft list} shows beside it.
    @ivar expires: the milliseconds that are left; 0 for all.
    """

    verb: str
    flags: int
    table: str
    name: str
    key: bytes
    milliseconds: int
    comment: str = ""
    expires: int = 0


def readBatch(batch: bytes) -> list[Change]:
    """Return the changes of a batch of nftables; check that the kernel would take it."""
    messages = []
    while batch:
        length, kind, flags, _, _ = struct.unpack_from("=IHHII", batch)
        family, version, resource = struct.unpack_from("!BBH", batch, 16)
        assert length % 4 == 0 and version == 0 and flags & 1, "no request"
        messages.append((kind, flags, family, resource, batch[20:length]))
        batch = batch[length:]
    begin, *changes, end = messages
    assert begin == (16, 1, 0, 10, b"") and end == (17, 1, 0, 10, b""), "no batch of nftables"
    return [found for change in changes for found in _readChanges(*change)]


def _readChanges(kind: int, flags: int, family: int, resource: int, body: bytes) -> list[Change]:
    assert (family, resource) == (1, 0), "not of the family inet"
    verb = {10 << 8 | 12: "add", 10 << 8 | 14: "delete"}[kind]
    outer = readAttributes(body)
    assert set(outer) == {1, 2, 3 | 0x8000}
    texts = [outer[number].decode("ascii") for number in (1, 2)]
    assert all(text[-1] == "\0" for text in texts)
    table, name = (text[:-1] for text in texts)
    listed, found = outer[3 | 0x8000], []
    while listed:
        length, number = struct.unpack_from("=HH", listed)
        assert number == 1 | 0x8000
        found.append(Change(verb, flags, table, name, *_readElement(listed[4:length])))
        listed = listed[length + 3 & ~3 :]
    return found


def _readElement(body: bytes) -> tuple[bytes, int, str, int]:
    element = readAttributes(body)
    assert set(element) <= {1 | 0x8000, 4, 5, 6}
    key = readAttributes(element[1 | 0x8000])
    assert set(key) == {1}
    times = [int.from_bytes(element.get(each, b""), "big") for each in (4, 5)]
    for each, time_ in zip((4, 5), times, strict=True):
        assert each not in element or (len(element[each]) == 8 and time_), "0 is for ever"
    comment = element.get(6, b"\0\1\0")
    assert comment[0] == 0 and comment[1] == len(comment) - 2 <= 128 and comment[-1:] == b"\0"
    return key[1], times[0], comment[2:-1].decode("ascii"), times[1]


def readAttributes(body: bytes) -> dict[int, bytes]:
    """Return netlink attributes by type."""
    found = {}
    while body:
        length, kind = struct.unpack_from("=HH", body)
        assert 4 <= length <= len(body) and kind not in found
        found[kind] = body[4:length]
        body = body[length + 3 & ~3 :]
    return found


class FakeNetlink:
    """
    A netlink socket, in place of L{socket.socket}.

    @ivar sent: what was sent.
    @ivar answers: what the kernel answers to what is sent next; an error is raised.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        self._reorderer: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.answers: list[bytes | OSError] = []
        self.refusal: OSError | None = None
        self.isOpen = False
        self.isBound = False
        test.patch(socket, "socket", self.make)

    def make(self, family: int, kind: int, protocol: int) -> "FakeNetlink":
        """Return the socket, as C{socket.socket} does."""
        assert (family, protocol) == (socket.AF_NETLINK, 12)
        assert kind == socket.SOCK_RAW | socket.SOCK_NONBLOCK, "a read would block the reactor"
        if self.refusal is not None:
            raise self.refusal
        self.isOpen = True
        return self

    def bind(self, address: tuple[int, int]) -> None:
        """Bind an address that the kernel chooses, and no group."""
        assert address == (0, 0)
        self.isBound = True

    def getsockname(self) -> tuple[int, int]:
        """Return the port that the kernel chose, and the groups."""
        assert self.isOpen and self.isBound
        return 4711, 0

    def send(self, batch: bytes) -> int:
        """Send a batch; the answer comes at once."""
        assert self.isOpen and self.isBound
        self.sent.append(batch)
        for answer in self.answers:
            if isinstance(answer, OSError):
                raise answer
            self._reorderer.append(answer)
        return len(batch)

    def recv(self, size: int) -> bytes:
        """Return the next datagram."""
        assert self.isOpen and size >= 8192
        if not self._reorderer:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return self._reorderer.popleft()

    def close(self) -> None:
        """Close."""
        self.isOpen = False
        self._reorderer.clear()  # a new socket has no answers
