"""
Hears the knock ports without sockets: one reader of the kernel's packet log, in which the guard's
rules write a copy of each knock. The packet itself goes on, and the host answers it as it answers
any packet to a closed port.
"""

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.firewall.netlink.logsocket import LogSocket, PacketLog
from pkdoors.firewall.netlink.packetlog import LoggedPacket, PacketReader
from pkdoors.knockports._destinations import Destinations
from pkdoors.knockports._ordering import KnockHandler
from pkdoors.knockports._socket import KnockProtocol
from pkdoors.knockports.plan import Plan
from pkdoors.knocks.knock import Knock
from pkdoors.knocks.packet import TCP, readPacket
from pkdoors.locks.repeats import Repeats
from pkdoors.model.knockports import KnockPort, TcpPort

MOST = 64
"""Packets that are read in one turn of the reactor; then others get their turn."""


@implementer(IReadDescriptor)
class KnockLog:
    """
    Hears the knock ports of a L{Plan} from the kernel's packet log; it has the methods of
    L{pkdoors.knockports.knockports.KnockPorts}. The log has one order for all ports, so nothing has
    to be sorted.

    @param reactor: reads the socket.
    @param handle: gets the knocks.
    @param log: the packet log, whose group the guard's rules name.
    @param nameOf: returns the name of the interface with a number.
    @cvar method: see L{pkdoors.daemon.listening.IKnockPorts}.
    @ivar onTurn: called after the knocks of each turn were handled.
    @ivar onChange: called when L{troubles} have changed, which never happens here.
    """

    method = "capture"

    def __init__(
        self,
        reactor: Any,
        handle: KnockHandler,
        log: PacketLog,
        nameOf: Callable[[int], str] = socket.if_indextoname,
    ) -> None:
        self._reactor = reactor
        self._handle = handle
        self._log = log
        self._nameOf = nameOf
        self._source: LogSocket | None = None
        self._isHearing = False
        self._heard: list[Knock] = []  # in this turn
        self._protocols: dict[KnockPort, KnockProtocol] = {}
        self._repeats = Repeats()
        self._destinations = Destinations((), nameOf)
        self._losses = _Losses()
        self._reader = PacketReader()
        self.plan = Plan()
        self.onTurn: Callable[[], None] = lambda: None
        self.onChange: Callable[[], None] = lambda: None

    def check(self, plan: Plan) -> None:
        """Check that a plan can be used, as any can: no port needs a socket."""

    def listen(self, plan: Plan) -> None:
        """Hear the ports of a plan from now on, and no others."""
        self._source = self._log.open()
        before, add = self._protocols, self._heard.extend
        self._protocols = {
            port: before.get(port) or KnockProtocol(port, add) for port in plan.knockPorts()
        }
        self._destinations = Destinations(plan.interfaces, self._nameOf)
        self.plan = plan
        if not self._isHearing:
            self._isHearing = True
            self._reactor.addReader(self)

    async def search(self, plan: Plan) -> Plan:
        """Return what L{use} needs to hear a plan: there is nothing to open."""
        return plan

    def giveUp(self, plan: Plan) -> None:
        """Continue as before."""

    async def use(self, plan: Plan) -> None:
        """See L{listen}."""
        self.listen(plan)

    def retry(self) -> None:
        """Try the missing ports now: none are."""

    def troubles(self) -> list[str]:
        """Return why some knocks are not heard now: there is no reason."""
        return []

    def newDrops(self) -> int:
        """Return how many knocks were lost since the last call, because the buffer was full."""
        return self._losses.take(0 if self._source is None else self._source.countDrops())

    def stop(self) -> None:
        """Hear nothing more, and give the group back."""
        if self._isHearing:
            self._isHearing = False
            self._reactor.removeReader(self)
        self._log.close()

    def fileno(self) -> int:
        """See L{IReadDescriptor}."""
        return -1 if self._source is None else self._source.fileno()

    def logPrefix(self) -> str:
        """See L{IReadDescriptor}."""
        return "knock"

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket."""
        self.stop()

    def doRead(self) -> None:
        """Hand on what has come, as much as one turn reads; then others get their turn."""
        source = self._source
        if source is None:
            return
        for _ in range(MOST):
            try:
                data = source.receive()
            except OSError:  # nothing more has come
                break
            for packet in self._reader.read(data):
                self._take(packet)
        if self._heard:
            # The protocols keep adding to the same list.
            knocks = self._heard[:]
            self._heard.clear()
            self._handle(knocks)
            self.onTurn()

    def _take(self, packet: LoggedPacket) -> None:
        self._losses.see(packet.sequence)
        arrival = readPacket(packet.protocol, packet.packet)
        if arrival is None:
            return
        isTcp = arrival.protocol == TCP
        protocol = self._protocols.get(TcpPort(arrival.port) if isTcp else arrival.port)
        if protocol is None or not self._destinations.has(arrival.destination, packet.interface):
            return
        if isTcp:
            knock = (arrival.source, arrival.port, *arrival.key)
            if self._repeats.isRepeat(knock, self._reactor.seconds()):
                return
        protocol.datagramsReceived([(arrival.source, arrival.payload, packet.stamp)])


class _Losses:
    """
    Counts packets that the log lost. The kernel counts those that found the buffer full, and it
    numbers all packets; each may know of some that the other does not know of yet, so the higher
    count is right.
    """

    def __init__(self) -> None:
        self._next: int | None = None  # the number that the next packet should have
        self._gaps = self._drops = self._lastDrops = self._taken = 0

    def see(self, sequence: int) -> None:
        """Note the number of a packet that was not lost."""
        if self._next is not None:
            self._gaps += (sequence - self._next) % 2**32
        self._next = (sequence + 1) % 2**32

    def take(self, drops: int) -> int:
        """
        Return how many packets were lost since the last call.

        @param drops: the kernel's count, modulo 2**32.
        """
        self._drops += (drops - self._lastDrops) % 2**32
        self._lastDrops = drops
        lost = max(self._gaps, self._drops)
        new, self._taken = lost - self._taken, lost
        return new
