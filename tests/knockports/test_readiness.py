"""Tests of L{pkdoors.knockports._readiness}."""

import socket

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knockports._readiness import Readiness


class ReadinessTests(SynchronousTestCase):
    """
    Tests of L{Readiness}, with the kernel's sockets.
    """

    def setUp(self) -> None:
        """Bind two sockets."""
        self.readiness = Readiness()
        self.addCleanup(self.readiness.close)
        self.sockets = [self.bind() for _ in range(2)]

    def bind(self) -> socket.socket:
        """Return a socket that is looked at."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(udp.close)
        udp.bind(("127.0.0.1", 0))
        self.readiness.add(udp)
        return udp

    def test_quiet(self) -> None:
        """As long as any socket has something to read, it is not quiet."""
        first, second = self.sockets
        self.assertTrue(self.readiness.isQuiet())
        first.sendto(b"knock", second.getsockname())
        second.sendto(b"knock", first.getsockname())
        self.assertFalse(self.readiness.isQuiet())
        first.recv(9)
        self.assertFalse(self.readiness.isQuiet())
        second.recv(9)
        self.assertTrue(self.readiness.isQuiet())

    def test_closed(self) -> None:
        """What a closed socket had does not count."""
        first, second = self.sockets
        first.sendto(b"knock", second.getsockname())
        second.close()
        self.assertTrue(self.readiness.isQuiet())

    def test_nothing(self) -> None:
        """Without sockets nobody can tell; the end can come twice."""
        self.readiness.close()
        self.assertFalse(self.readiness.isQuiet())
        self.readiness.close()
