"""Tests of L{pkdoors.doorkeeper.openings.life}: openings and extensions."""

from ipaddress import ip_address

from twisted.logger import LogLevel

from pkdoors.locks.lock import Request
from pkdoors.model.doors import Opening
from tests.doorkeeper.case import ANN, BOB, BUSY, CANNOT_OPEN, KeeperTestCase
from tests.fakes.doors import makeDoor


class OpeningTests(KeeperTestCase):
    """
    The life of an opening if nothing goes wrong.
    """

    def test_defaultTime(self) -> None:
        """A client that asks for no time gets the door's time."""
        self.request()
        self.assertEqual({ANN: 30.0}, self.firewall.open_())

    def test_shorterTime(self) -> None:
        """A client can ask for less than the door's time."""
        self.request(5)
        self.assertEqual({ANN: 5.0}, self.firewall.open_())

    def test_cap(self) -> None:
        """A client that asks for more than the maximum gets the maximum."""
        self.request(999_999_999)
        self.assertEqual({ANN: 3600.0}, self.firewall.open_())

    def test_openedLine(self) -> None:
        """An opening is one line at level info, with the time of day and the duration."""
        self.request(90)
        self.assertEqual(
            ["opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:01:30 (1m30s)"],
            self.log.lines(LogLevel.info),
        )

    def test_uselessLine(self) -> None:
        """A knock that prolongs nothing is a line; very many of them are few lines."""
        self.request(90)
        self.clock.advance(30)
        before = len(self.log.lines())
        self.keeper.heed([Request(self.door, ANN, 5)])
        (line,) = self.log.lines()[before:]
        self.assertEqual(
            "a knock of 203.0.113.9 prolongs nothing: door default (22/tcp) stays open for "
            "203.0.113.9 for another 1m anyway",
            line,
        )
        for _ in range(50):
            self.keeper.heed([Request(self.door, ANN, 5)])
        self.assertEqual(before + 1, len(self.log.lines()))
        self.keeper.heed([Request(self.door, ANN, 80)])
        self.assertIn("for 203.0.113.9", self.log.lines()[-1])
        self.assertNotIn("nothing", self.log.lines()[-1])
        # The operator, and other hosts, hear of it in another way.
        before = len(self.log.lines())
        self.request(5)
        self.assertEqual(before, len(self.log.lines()))

    def test_notBeforeItIsOpen(self) -> None:
        """The line is written when the firewall has opened, not when it was asked to."""
        self.firewall.holding = True
        self.request()
        self.assertEqual([], self.log.lines())
        self.firewall.answer()
        self.assertEqual(1, len(self.log.lines()))

    def test_closesAtTheDeadline(self) -> None:
        """The door closes at the deadline, and not a moment before."""
        self.request()
        self.clock.pump([29.999])
        self.assertEqual(["open 203.0.113.9 until 30"], self.calls())
        self.clock.pump([0.001])
        self.assertEqual(["close 203.0.113.9"], self.calls())

    def test_month(self) -> None:
        """A door can be open for a month."""
        month = 30 * 24 * 3600.0
        door = makeDoor(openFor=month, maxOpenFor=month)
        self.makeKeeper(door).request(Request(door, ANN, 0))
        self.clock.advance(month - 1)
        self.assertEqual({ANN: month}, self.firewall.open_())
        self.calls()
        self.clock.advance(1)
        self.assertEqual([f"close {ANN}"], self.calls())

    def test_closedLine(self) -> None:
        """A closing is one line at level info."""
        self.request()
        self.clock.advance(30)
        self.assertEqual(
            ["closed door default (22/tcp) for 203.0.113.9"], self.log.lines(LogLevel.info)[1:]
        )

    def test_nothingIsLeft(self) -> None:
        """After the closing nothing is remembered, and no timer runs."""
        self.request()
        self.clock.advance(30)
        self.assertEqual(([], []), (self.openings(), self.clock.getDelayedCalls()))

    def test_openings(self) -> None:
        """The doorkeeper lists what is open."""
        self.request()
        self.assertEqual(
            [Opening(self.door, ip_address("203.0.113.9"), 30.0)], self.keeper.openings()
        )

    def test_openAgain(self) -> None:
        """A door can be opened again after it has closed."""
        self.request()
        self.clock.advance(100)
        self.calls()
        self.request()
        self.assertEqual(["open 203.0.113.9 until 130"], self.calls())

    def test_twoSources(self) -> None:
        """The opening of each source ends at its own time."""
        self.request()
        self.clock.advance(10)
        self.request(source=BOB)
        self.clock.advance(20)
        self.assertEqual({BOB: 40.0}, self.firewall.open_())
        self.assertEqual([(BOB, 40.0)], self.openings())

    def test_twoWritings(self) -> None:
        """Two spellings of an address are one source."""
        self.request(source="2001:db8::7")
        self.request(seconds=60, source="2001:0DB8:0:0::7")
        self.assertEqual([(BOB, 60.0)], self.openings())


class ExtensionTests(KeeperTestCase):
    """
    Knocks while the door is already open.
    """

    def test_extends(self) -> None:
        """One call moves the deadline, and the door closes once, at the new one."""
        self.request()
        self.clock.advance(20)
        self.request()
        self.clock.pump([10, 19.5])
        self.assertEqual(["open 203.0.113.9 until 30", "open 203.0.113.9 until 50"], self.calls())
        self.clock.pump([0.5, 100])
        self.assertEqual(["close 203.0.113.9"], self.calls())

    def test_line(self) -> None:
        """An extension is one line, with the new end."""
        self.request()
        self.clock.advance(20)
        self.request(600)
        self.assertEqual(
            ["extended door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:10:20 (10m)"],
            self.log.lines()[1:],
        )

    def test_noDuplicate(self) -> None:
        """An extended opening remains one opening."""
        self.request()
        self.request(60)
        self.assertEqual([(ANN, 60.0)], self.openings())

    def test_neverShortens(self) -> None:
        """A request for less than is left changes nothing, and logs nothing."""
        self.request(600)
        self.request(30)
        self.assertEqual([(ANN, 600.0)], self.openings())
        self.assertEqual(["open 203.0.113.9 until 600"], self.calls())
        self.assertEqual(1, len(self.log.lines()))

    def test_sameDeadline(self) -> None:
        """A request for the same end is not an extension."""
        self.request()
        self.request()
        self.assertEqual(["open 203.0.113.9 until 30"], self.calls())

    def test_cap(self) -> None:
        """An extension has a maximum, too, counted from the request."""
        self.request(3600)
        self.clock.advance(1000)
        self.request(3600)
        self.request(7200)
        self.assertEqual([(ANN, 4600.0)], self.openings())

    def test_failed(self) -> None:
        """
        If an extension fails, the old deadline counts until it succeeds; one line at level error.
        """
        self.request()
        self.clock.advance(20)
        self.firewall.failures = [BUSY, BUSY]
        self.request()
        self.clock.advance(1)
        self.assertEqual([(ANN, 30.0)], self.openings())
        self.assertEqual([CANNOT_OPEN], self.log.lines(LogLevel.error))
        self.clock.advance(2)
        self.assertEqual([(ANN, 50.0)], self.openings())
        self.assertIn("extended door", self.log.lines()[-1])

    def test_failedEndsAtTheOldDeadline(self) -> None:
        """While an extension fails, nothing is open after the old deadline."""
        self.request()
        self.clock.advance(20)
        self.firewall.failures = [BUSY] * 100
        self.request()
        self.clock.pump([1] * 10)
        self.assertEqual(([], {}), (self.openings(), self.firewall.open_()))

    def test_afterFailed(self) -> None:
        """After a failed extension, the next one may succeed."""
        self.request()
        self.firewall.failures = [BUSY]
        self.request(60)
        self.request(60)
        self.assertEqual({ANN: 60.0}, self.firewall.open_())
