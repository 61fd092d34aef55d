"""Tests of L{pkdoors.commands.sequence}."""

import errno
import socket

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.commands.sequence import isFree
from pkdoors.model.knockports import TcpPort

KINDS = (socket.SOCK_DGRAM, socket.SOCK_STREAM)


class FreeTests(SynchronousTestCase):
    """
    Tests of L{isFree} on this host.
    """

    def take(self, family: int, kind: int, address: str) -> int:
        """Take a port of one address until the test ends, and return it."""
        taken = socket.socket(family, kind)
        self.addCleanup(taken.close)
        taken.bind((address, 0))
        return int(taken.getsockname()[1])

    def test_taken(self) -> None:
        """A port that somebody has at one address is not free; the same port of the other is."""
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            number = self.take(family, socket.SOCK_DGRAM, address)
            self.assertFalse(isFree(number), address)
            self.assertTrue(isFree(TcpPort(number)), address)
            number = self.take(family, socket.SOCK_STREAM, address)
            self.assertFalse(isFree(TcpPort(number)), address)
            self.assertTrue(isFree(number), address)

    def test_asking(self) -> None:
        """The question takes no port."""
        for kind in KINDS:
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("127.0.0.1", 0))
                number = probe.getsockname()[1]
            port = number if kind == socket.SOCK_DGRAM else TcpPort(number)
            self.assertEqual([True, True], [isFree(port), isFree(port)])

    def test_noIPv6(self) -> None:
        """A host without IPv6 has free ports, too, and one that says no has none."""
        real = socket.socket

        def refuse(number: int) -> None:
            def make(family: int, kind: int) -> socket.socket:
                if family == socket.AF_INET6:
                    raise OSError(number, "no")
                return real(family, kind)

            self.patch(socket, "socket", make)

        number = self.take(socket.AF_INET6, socket.SOCK_DGRAM, "::1")
        refuse(errno.EAFNOSUPPORT)
        self.assertTrue(isFree(number))
        refuse(errno.EMFILE)
        self.assertFalse(isFree(number))
