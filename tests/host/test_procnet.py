"""Tests of L{pkdoors.host.procnet}."""

import sys
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host.procnet import BOUND, LISTENS, parseSockets

LISTING = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:08AE 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5678 1
   1: 00000000:0016 097100CB:9C41 01 00000000:00000000 00:00000000 00000000  1000        0 9 1 0
"""
LISTING6 = """\
  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000001000000:4269 00000000000000000000000000000000:0000 07 \
00000000:00000000 00:00000000 00000000     0        0 77 2 0000000000000000 0
"""


class SocketsInTests(SynchronousTestCase):
    """
    Tests of L{parseSockets}.
    """

    if sys.byteorder != "little":
        skip = "the examples are of a little-endian machine"

    def test_IPv4(self) -> None:
        """Port, state, owner and both ends are parsed."""
        listens, talks = parseSockets(LISTING)
        self.assertEqual((2222, LISTENS, 5678), (listens.port, listens.state, listens.inode))
        self.assertEqual(ip_address("127.0.0.1"), listens.address)
        self.assertEqual((ip_address("203.0.113.9"), 40001), talks.peer)

    def test_IPv6(self) -> None:
        """IPv6 is parsed, too."""
        (bound,) = parseSockets(LISTING6)
        self.assertEqual((17001, BOUND, 77), (bound.port, bound.state, bound.inode))
        self.assertEqual(ip_address("::1"), bound.address)

    def test_loopback(self) -> None:
        """Only this host can reach a socket on the loopback interface, over IPv6, too."""
        self.assertEqual([True, False], [found.isLocal() for found in parseSockets(LISTING)])
        self.assertTrue(next(parseSockets(LISTING6)).isLocal())

    def test_none(self) -> None:
        """The list may be empty."""
        self.assertEqual([], list(parseSockets(LISTING.splitlines()[0])))
        self.assertEqual([], list(parseSockets("")))
