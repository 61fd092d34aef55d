"""Tests of L{pkdoors.knockports.drops}."""

import errno

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knockports.drops import Drops, LogDrops, countBufferErrors, readSnmp

SNMP = """\
Tcp: RtoAlgorithm RtoMin
Tcp: 1 200
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
Udp: 38477 1 2 38478 {} 5
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
UdpLite: 0 0 0 0 77 0

Udp6InDatagrams                 \t9
Udp6RcvbufErrors                \t{}
UdpLite6RcvbufErrors            \t88
"""


class BufferErrorsTests(SynchronousTestCase):
    """
    Tests of L{countBufferErrors}.
    """

    def test_both(self) -> None:
        """Errors over IPv4 and over IPv6 count, of UDP alone."""
        self.assertEqual(47, countBufferErrors(SNMP.format(40, 7)))

    def test_missing(self) -> None:
        """Missing counters count as 0."""
        self.assertEqual(40, countBufferErrors(SNMP.format(40, 7).partition("\n\n")[0]))
        self.assertEqual(0, countBufferErrors("Udp: InDatagrams\nUdp: 7\n"))
        self.assertEqual(0, countBufferErrors(""))

    def test_here(self) -> None:
        """This host's counters can be read."""
        self.assertIn("RcvbufErrors", readSnmp())
        self.assertLessEqual(0, countBufferErrors(readSnmp()))


class DropsTests(SynchronousTestCase):
    """
    Tests of L{Drops}.
    """

    def setUp(self) -> None:
        """Count on a host that has dropped some already."""
        self.full, self.dropped, self.limited = 1000, 0, 0
        self.drops = Drops(self.take, lambda: self.limited, lambda: SNMP.format(self.full, 0))

    def take(self) -> int:
        """Return the new drops of the sockets."""
        dropped, self.dropped = self.dropped, 0
        return dropped

    def test_nothing(self) -> None:
        """At first there are none, whatever the host did before."""
        self.assertEqual({"limit": 0, "junk": 0, "overflow": 0}, self.drops.counts())

    def test_reasons(self) -> None:
        """Overflow is told from what was filtered; the firewall's own count is separate."""
        self.full, self.dropped, self.limited = 1003, 10, 5
        self.assertEqual({"limit": 5, "junk": 7, "overflow": 3}, self.drops.counts())

    def test_unreadable(self) -> None:
        """If no descriptor is left, the counters are read the next time."""

        def fail() -> str:
            raise OSError(errno.EMFILE, "Too many open files")

        read = self.drops._read
        self.full, self.dropped = 1003, 10
        self.patch(self.drops, "_read", fail)
        self.assertEqual({"limit": 0, "junk": 0, "overflow": 0}, self.drops.counts())
        self.patch(self.drops, "_read", read)
        self.assertEqual({"limit": 0, "junk": 7, "overflow": 3}, self.drops.counts())

    def test_sums(self) -> None:
        """The counts only grow."""
        for full, dropped in ((1003, 10), (1003, 4), (1010, 7)):
            self.full, self.dropped = full, dropped
            self.drops.counts()
        self.assertEqual({"limit": 0, "junk": 11, "overflow": 10}, self.drops.counts())

    def test_others(self) -> None:
        """
        Overflow never counts more than our sockets dropped, however full other programs' buffers
        are.
        """
        self.full, self.dropped = 2000, 10
        self.assertEqual({"limit": 0, "junk": 0, "overflow": 10}, self.drops.counts())
        self.full, self.dropped = 500, 10  # as if the kernel began anew
        self.assertEqual({"limit": 0, "junk": 10, "overflow": 10}, self.drops.counts())


class LogDropsTests(SynchronousTestCase):
    """
    Tests of L{LogDrops}.
    """

    def test_counts(self) -> None:
        """The firewall counts limit and junk, the log its losses since the last look."""
        lost = iter((3, 0, 4))
        drops = LogDrops(lambda: next(lost), lambda: 5, lambda: 6)
        found = [drops.counts() for _ in range(3)]
        self.assertEqual({"limit": 5, "junk": 6, "overflow": 3}, found[1])
        self.assertEqual([3, 3, 7], [counts["overflow"] for counts in found])
