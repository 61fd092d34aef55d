"""A reactor in memory."""

import errno
import ipaddress
from collections.abc import Callable
from typing import Any

from twisted.internet.error import CannotListenError, InvalidAddressError
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure


class FakeThreadPool:
    """
    Does the work of a thread pool at once; the answer comes through the reactor, as always.
    """

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], None], work: Callable[..., Any], *arguments: Any
    ) -> None:
        """Do it."""
        try:
            result = work(*arguments)
        except Exception:
            onResult(False, Failure())
        else:
            onResult(True, result)


class FakeUDPPort:
    """
    What C{listenUDP} gives.
    """

    def __init__(self, reactor: "FakeReactor", interface: str) -> None:
        self._reactor = reactor
        self._version = 6 if interface == "::" else 4
        self.isOpen = True

    def write(self, datagram: bytes, address: tuple[str, int]) -> None:
        """Send."""
        assert self.isOpen, "written to a port that is closed"
        assert isinstance(datagram, bytes) and 0 < address[1] < 65536
        host = ipaddress.ip_address(address[0])
        if host.version != self._version:
            raise InvalidAddressError(address[0], "wrong family")
        if address[0] in self._reactor.unreachable:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        self._reactor.sent.append((self._reactor.seconds(), *address, datagram))

    def stopListening(self) -> None:
        """Close."""
        self.isOpen = False


class FakeConnection(StringTransport):
    """
    A connection of the reactor's.

    @ivar protocol: what is connected to it.
    """

    protocol: IProtocol


class FakeReactor(MemoryReactorClock):
    """
    Twisted's own fake reactor, with what it lacks: UDP, threads, and a C{run} that passes time.

    @ivar sent: the datagrams that were sent: when, address, port, payload.
    @ivar unreachable: addresses without a route.
    @ivar udpPorts: all UDP ports that were ever opened.
    @ivar isIPv6Missing: whether the kernel has no IPv6 at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[float, str, int, bytes]] = []
        self.unreachable: set[str] = set()
        self.udpPorts: list[FakeUDPPort] = []
        self.isIPv6Missing = False

    def listenUDP(
        self, port: int, protocol: DatagramProtocol, interface: str = "", maxPacketSize: int = 8192
    ) -> FakeUDPPort:
        """Bind a UDP port."""
        assert port == 0 and interface in ("", "::"), "that may be taken"
        if interface == "::" and self.isIPv6Missing:
            error = OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            raise CannotListenError(interface, port, error)
        self.udpPorts.append(FakeUDPPort(self, interface))
        return self.udpPorts[-1]

    def callFromThread(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Call something in the reactor's next turn."""
        self.callLater(0, work, *arguments)

    def getThreadPool(self) -> FakeThreadPool:
        """Return the pool that runs blocking calls."""
        return FakeThreadPool()

    def begin(self) -> None:
        """Start; the test advances the time."""
        assert not self.running
        self.running = self.hasRun = True
        for work, arguments, keywords in self.whenRunningHooks:
            work(*arguments, **keywords)

    def run(self, installSignalHandlers: bool = True) -> None:
        """Pass the time until somebody stops the reactor."""
        self.begin()
        while self.running:
            assert self.getDelayedCalls(), "would run for ever"
            self.advance(max(0, self.getDelayedCalls()[0].getTime() - self.seconds()))

    def connections(self) -> list[tuple[str, int]]:
        """Return the attempted TCP connections, in order."""
        return [(host, port) for host, port, *_ in self.tcpClients]

    def accept(self, index: int = -1) -> "FakeConnection":
        """Let an attempted TCP connection succeed."""
        transport = FakeConnection()
        protocol = self.tcpClients[index][2].buildProtocol(None)
        assert protocol is not None
        protocol.makeConnection(transport)
        transport.protocol = protocol
        return transport

    def reject(self, error: Exception, index: int = -1) -> None:
        """Let an attempted TCP connection fail."""
        self.tcpClients[index][2].clientConnectionFailed(self.connectors[index], Failure(error))
