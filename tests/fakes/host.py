"""The UDP ports of a host, and its C{ip} command."""

import ctypes
import errno
import json
import socket
import struct
import subprocess
from collections import deque
from collections.abc import Mapping
from itertools import count
from typing import Any, Self

from twisted.trial.unittest import SynchronousTestCase

import pkdoors.client.network
import pkdoors.knockports.knockports
from tests.fakes.modules import makeModule

SO_TIMESTAMPNS, SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_MEMINFO = 35, 26, 27, 55

IP_FREEBIND, IPV6_FREEBIND = 15, 78


class FakeIp:
    """
    The C{ip} command, in place of L{subprocess.run}.

    @ivar answers: the words after C{ip -json} -> what it prints; others fail.
    """

    def __init__(self, answers: Mapping[str, object] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[str] = []

    def install(self, test: SynchronousTestCase) -> None:
        """Make C{subprocess.run} call this."""
        test.patch(subprocess, "run", self)

    def __call__(
        self, command: list[str], capture_output: bool, timeout: float, check: bool
    ) -> subprocess.CompletedProcess[bytes]:
        assert command[:2] == ["ip", "-json"] and capture_output and check and timeout <= 5
        question = " ".join(command[2:])
        self.asked.append(question)
        answer = self.answers.get(question)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            raise subprocess.CalledProcessError(2, command)
        printed = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return subprocess.CompletedProcess(command, 0, printed)


class FakeSocket:
    """
    A UDP socket of a L{FakeHost}.

    @ivar inbox: what comes next: payload and sender, or an error.
    @ivar program: its filter, as the kernel gets it.
    @ivar drops: how many datagrams the kernel dropped.
    """

    def __init__(self, host: "FakeHost", family: int, number: int) -> None:
        self._host = host
        self._number = number
        self.family = family
        self.isV6Only = self.isFree = False
        self.options: dict[int, int] = {}
        self.isOpen = True
        self.address = ("", 0)
        self.reorderer: deque[tuple[bytes, tuple[Any, ...]] | OSError] = deque()
        self.program = b""
        self.drops = 0

    @property
    def isShared(self) -> bool:
        """Whether other sockets that share can bind its port."""
        return bool(self.options.get(socket.SO_REUSEPORT))

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Set an option."""
        if level == socket.SOL_SOCKET:
            if option == SO_ATTACH_FILTER:
                self._attach(value)
                return
            if option == SO_DETACH_FILTER:
                self.program = b""
                return
            # SO_REUSEADDR would let everybody have the port.
            assert option in (socket.SO_REUSEPORT, SO_TIMESTAMPNS, socket.SO_RCVBUF), "unknown"
            assert isinstance(value, int)
            self.options[option] = value
            return
        if option in (IP_FREEBIND, IPV6_FREEBIND):
            self.isFree = True
            return
        assert (level, option) == (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        assert self.family == socket.AF_INET6, "Protocol not available"
        self.isV6Only = bool(value)

    def _attach(self, fprog: int | bytes) -> None:
        assert isinstance(fprog, bytes)
        if self._host.filtersNothing:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")
        count, where = struct.unpack("@HP", fprog)
        self.program = ctypes.string_at(where, 8 * count)

    def bind(self, address: tuple[Any, ...]) -> None:
        """Bind an address and a port."""
        interface, port = address[:2]
        if interface not in self._host.addresses and not self.isFree:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        if 0 < port < 1024 and not self._host.isRoot:
            raise PermissionError(errno.EACCES, "Permission denied")
        if port and any(self._conflicts(other, interface, port) for other in self._host.sockets):
            raise OSError(errno.EADDRINUSE, "Address already in use")
        self.address = (interface, port or 40_000 + self._number)

    def _conflicts(self, other: "FakeSocket", interface: str, port: int) -> bool:
        if not other.isOpen or other.address[1] != port:
            return False
        if self.isShared and other.isShared:
            return False
        if other.family != self.family:
            return not (self.isV6Only or other.isV6Only)
        return (
            interface == other.address[0]
            or {interface, other.address[0]} & {"0.0.0.0", "::"} != set()
        )

    def getsockname(self) -> tuple[str, int]:
        """Return the address and port."""
        return self.address

    def fileno(self) -> int:
        """Return a number."""
        return self._number if self.isOpen else -1

    def take(self, size: int) -> tuple[str, bytes, int]:
        """Return the next datagram: sender, payload up to a size, and time."""
        assert self.isOpen, "read from a socket that is closed"
        assert self.options[SO_TIMESTAMPNS], "it would have no time"
        if not self.reorderer:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        item = self.reorderer.popleft()
        if isinstance(item, OSError):
            raise item
        return item[1][0], item[0][:size], next(self._host.stamps)

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """Return what the kernel counts."""
        assert (level, option) == (socket.SOL_SOCKET, SO_MEMINFO), "unknown option"
        if self._host.tellsNothing:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")
        return struct.pack("=9I", *[7] * 8, self.drops % 2**32)[:size]

    def close(self) -> None:
        """Give the port back."""
        self.isOpen = False


class FakeReceiver:
    """
    Reads a L{FakeSocket}.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def receive(self, bound: FakeSocket, family: int) -> list[tuple[str, bytes, int]]:
        """Return at most 64 datagrams; an error is raised when all before it were read."""
        received = [bound.take(self._size)]
        while (
            len(received) < 64 and bound.reorderer and not isinstance(bound.reorderer[0], OSError)
        ):
            received.append(bound.take(self._size))
        return received


class FakeReadiness:
    """
    Tells whether any socket of a L{FakeHost} has something to read.
    """

    def __init__(self, host: "FakeHost") -> None:
        self._host = host

    def add(self, bound: FakeSocket) -> None:
        """Look at a socket, too; the host knows all."""

    def isQuiet(self) -> bool:
        """Return whether none has."""
        return not any(bound.reorderer for bound in self._host.sockets if bound.isOpen)

    def close(self) -> None:
        """Look at nothing any more."""


class FakeHost:
    """
    A host's UDP ports, in place of L{socket.socket}.

    @ivar filtersNothing: whether its kernel takes no filters.
    @ivar tellsNothing: whether it does not report what it dropped.
    """

    def __init__(
        self, test: SynchronousTestCase, hasIPv6: bool = True, isRoot: bool = True
    ) -> None:
        self.sockets: list[FakeSocket] = []
        self.hasIPv6 = hasIPv6
        self.isRoot = isRoot
        self.stamps = count(1_700_000_000_000_000_000)
        self.addresses = {"0.0.0.0", "192.0.2.1"} | ({"::", "2001:db8::1"} if hasIPv6 else set())
        self.room: int | None = None  # how many sockets there can be; None for any number
        self.filtersNothing = self.tellsNothing = False
        self._real = socket.socket
        test.patch(socket, "socket", self._make)
        test.patch(pkdoors.knockports.knockports, "BatchReceiver", FakeReceiver)
        test.patch(pkdoors.knockports.knockports, "Readiness", lambda: FakeReadiness(self))

    def _make(self, family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> Any:
        if family == socket.AF_UNIX:  # it has no port
            return self._real(family, kind, protocol)
        assert kind == socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, "a read would block the reactor"
        return self._makeUDP(family)

    def _makeUDP(self, family: int) -> FakeSocket:
        if self.room is not None and len(self.bound()) >= self.room:
            raise OSError(errno.EMFILE, "Too many open files")
        if family == socket.AF_INET6 and not self.hasIPv6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        self.sockets.append(FakeSocket(self, family, len(self.sockets)))
        return self.sockets[-1]

    def take(self, port: int, interface: str = "0.0.0.0") -> None:
        """Have another program bind this port."""
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        taken = self._makeUDP(family)
        taken.isV6Only = True
        taken.bind((interface, port))

    def bound(self) -> list[tuple[str, int]]:
        """Return the addresses and ports that are bound."""
        return [each.address for each in self.sockets if each.isOpen]

    def find(self, interface: str, port: int) -> FakeSocket:
        """Return the open socket of an address and port."""
        address = (interface, port)
        return next(each for each in self.sockets if each.isOpen and each.address == address)


class _Probe:
    """
    A UDP socket that finds a way to every address; nothing is sent.
    """

    def __init__(self, family: int, kind: int, protocol: int = 0) -> None:
        if family == socket.AF_NETLINK:
            raise OSError("this kernel remembers no round trips")
        assert kind == socket.SOCK_DGRAM
        self._address = "2001:db8::2" if family == socket.AF_INET6 else "192.0.2.2"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def connect(self, address: tuple[str, int]) -> None:
        """Choose the own address."""

    def getsockname(self) -> tuple[str, int]:
        """Return the own address."""
        return self._address, 40_000


def routeAll(test: SynchronousTestCase) -> None:
    """Have a route to every address, from C{192.0.2.2} and C{2001:db8::2}."""
    module = makeModule("socket", **{**vars(socket), "socket": _Probe})
    test.patch(pkdoors.client.network, "socket", module)
