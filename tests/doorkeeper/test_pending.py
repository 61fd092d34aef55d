"""Tests of L{pkdoors.doorkeeper.openings.life}: knocks while the firewall is busy."""

from tests.doorkeeper.case import ANN, BOB, BUSY, KeeperTestCase


class PendingTests(KeeperTestCase):
    """
    Knocks while the firewall has not answered yet.
    """

    def setUp(self) -> None:
        """Let the firewall wait for L{FakeFirewall.answer}."""
        super().setUp()
        self.firewall.holding = True

    def test_duringOpen(self) -> None:
        """A knock during an opening replaces it: the firewall may hang."""
        self.request()
        self.request(60)
        self.assertEqual(["open 203.0.113.9 until 30", "open 203.0.113.9 until 60"], self.calls())
        self.firewall.answer()
        self.assertEqual(
            ["opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:01:00 (1m)"],
            self.log.lines(),
        )
        self.assertEqual(({ANN: 60.0}, []), (self.firewall.open_(), self.calls()))

    def test_duringOpenThatHasBegun(self) -> None:
        """The firewall finishes what it has begun, and then does the newer."""
        self.firewall.hasBegun = True
        self.request()
        self.request(60)
        self.firewall.answer()
        self.assertEqual(([], {ANN: 30.0}), (self.log.lines(), self.firewall.open_()))
        self.firewall.answer()
        self.assertEqual((1, {ANN: 60.0}), (len(self.log.lines()), self.firewall.open_()))

    def test_severalDuringOpen(self) -> None:
        """Of several knocks during an opening only the latest remains to be done."""
        self.request()
        for seconds in (60, 90, 75):
            self.request(seconds)
        self.assertEqual("open 203.0.113.9 until 90", self.calls()[-1])
        self.firewall.answer()
        self.assertEqual(({ANN: 90.0}, []), (self.firewall.open_(), self.calls()))

    def test_shorterDuringOpen(self) -> None:
        """A knock for less time during an opening does nothing."""
        self.request()
        self.request(5)
        self.firewall.answer()
        self.assertEqual(["open 203.0.113.9 until 30"], self.calls())

    def test_openFailsWithAnotherRequest(self) -> None:
        """If the opening fails, the knock that came during it is tried by itself."""
        self.firewall.hasBegun = True
        self.request()
        self.request(60)
        self.firewall.answer(BUSY)
        self.firewall.answer()
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_openTakesTooLong(self) -> None:
        """
        An opening that succeeds after its deadline is closed at once, and its line makes sense.
        """
        self.request()
        self.clock.advance(31)
        self.firewall.answer()
        self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
        self.assertEqual(
            ["opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:00:30 (0s)"],
            self.log.lines(),
        )

    def test_duringClose(self) -> None:
        """A knock during a closing opens again when the closing is done."""
        self.request()
        self.firewall.answer()
        self.clock.advance(30)
        self.request()
        self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
        self.firewall.answer()
        self.assertEqual(["open 203.0.113.9 until 60"], self.calls())
        self.firewall.answer()
        self.assertEqual({ANN: 60.0}, self.firewall.open_())
        self.assertIn("opened door", self.log.lines()[-1])

    def test_duringCloseThatFails(self) -> None:
        """A knock during a closing that fails opens, too, and closes at its deadline."""
        self.request()
        self.firewall.answer()
        self.clock.advance(30)
        self.request()
        self.firewall.answer(BUSY)
        self.firewall.answer()
        self.assertEqual({ANN: 60.0}, self.firewall.open_())
        self.calls()
        self.clock.advance(30)
        self.assertEqual(["close 203.0.113.9"], self.calls())

    def test_otherSource(self) -> None:
        """Another source does not wait for a pending opening."""
        self.request()
        self.request(source=BOB)
        self.assertEqual(["open 203.0.113.9 until 30", "open 2001:db8::7 until 30"], self.calls())
