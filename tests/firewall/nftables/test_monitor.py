"""Tests of L{pkdoors.firewall.nftables._monitor}."""

import errno
from collections import deque

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.firewall.nftables import _monitor
from pkdoors.firewall.nftables._monitor import READS_PER_TURN, NftablesMonitor
from tests.fakes.reactor import FakeReactor
from tests.firewall.nftables.test_notifications import DELTABLE, OURS, about, end, ours

THEIRS = about(DELTABLE) + end()


class FakeListening:
    """Stands in for a socket that gets the kernel's notifications."""

    def __init__(self) -> None:
        self.told: deque[bytes | OSError] = deque()
        self.isOpen = True

    def fileno(self) -> int:
        """Return a number, unless it is closed."""
        return 99 if self.isOpen else -1

    def recv(self, size: int) -> bytes:
        """Return the next notification."""
        assert self.isOpen
        if not self.told:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        told = self.told.popleft()
        if isinstance(told, OSError):
            raise told
        return told

    def close(self) -> None:
        """Close it."""
        self.isOpen = False


class MonitorTests(SynchronousTestCase):
    """
    Tests of L{NftablesMonitor}.
    """

    def setUp(self) -> None:
        """Make a monitor."""
        self.listening = FakeListening()
        self.ports: list[int] = []

        def listen(port: int) -> FakeListening:
            self.ports.append(port)
            return self.listening

        self.patch(_monitor, "listenToNftables", listen)
        self.heard: list[str] = []
        self.monitor = NftablesMonitor(
            "pkdoors",
            OURS,
            self.heard.append,
            lambda: self.heard.append("unsure"),
            lambda: self.heard.append("moved"),
        )

    def hear(self, *told: bytes | OSError) -> list[str]:
        """Return what is reported in one turn, after these notifications."""
        self.heard.clear()
        self.listening.told.extend(told)
        self.monitor.doRead()
        return self.heard

    def overflow(self) -> OSError:
        """Return the error of a socket that has overflowed."""
        return OSError(errno.ENOBUFS, "No buffer space available")

    def test_interface(self) -> None:
        """The reactor can read it, and it knows our port."""
        verifyObject(IReadDescriptor, self.monitor)
        self.assertEqual([OURS], self.ports)

    def test_changed(self) -> None:
        """Others' changes are reported; our own are not."""
        self.assertEqual(["nft"], self.hear(THEIRS))
        self.assertEqual([], self.hear(ours()))
        self.assertEqual([], self.hear())

    def test_overflow(self) -> None:
        """However many overflows there are, one is reported, after all that could be read."""
        self.assertEqual(["unsure"], self.hear(*[self.overflow()] * 3))
        self.assertEqual(["nft", "unsure"], self.hear(self.overflow(), THEIRS))
        self.assertEqual([], self.hear(ours()))

    def test_fair(self) -> None:
        """The reactor has its turn, however many notifications come."""
        self.hear(*[ours()] * (READS_PER_TURN + 5))
        self.assertEqual(5, len(self.listening.told))

    def test_lifetime(self) -> None:
        """It is read from the start to the stop, which closes its socket."""
        reactor = FakeReactor()
        self.monitor.start(reactor)
        self.assertEqual([self.monitor], reactor.getReaders())
        self.monitor.stop(reactor)
        self.assertEqual(([], False), (reactor.getReaders(), self.listening.isOpen))

    def test_connectionLost(self) -> None:
        """If the reactor gives it up, its socket is closed."""
        self.monitor.connectionLost(Failure(ConnectionDone()))
        self.assertFalse(self.listening.isOpen)
