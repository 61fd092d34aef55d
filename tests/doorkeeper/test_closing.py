"""Tests of L{pkdoors.doorkeeper.doorkeeper}: requests to close."""

import re
from dataclasses import replace
from ipaddress import ip_address

from twisted.logger import LogLevel

from pkdoors.locks.lock import Request
from pkdoors.model.doors import Door
from pkdoors.model.principal import OPERATOR, Principal
from tests.doorkeeper.case import ANN, BOB, BUSY, CANNOT_CLOSE, KeeperTestCase
from tests.fakes.doors import makeDoor, makeOpening


class CloseTests(KeeperTestCase):
    """
    Requests to close.
    """

    def close(self, source: str = ANN, door: Door | None = None, who: str = "") -> None:
        """Request a close."""
        self.keeper.request(Request(door or self.door, source, 0, who=Principal(who), close=True))

    def test_line(self) -> None:
        """The log says once who asked to close."""
        self.request()
        self.close(who="anna (SHA256:x)")
        closed = "closed door default (22/tcp) for 203.0.113.9"
        self.assertEqual(f"{closed}, at the request of anna (SHA256:x)", self.log.lines()[-1])
        self.request()
        self.clock.advance(30)
        self.assertEqual(closed, self.log.lines()[-1])

    def test_whoseItWas(self) -> None:
        """
        The log of a closing names the client that had it open, whoever asked and however it ended.
        """
        for end in (lambda: self.close(who="anna"), lambda: self.clock.advance(30)):
            self.keeper.request(Request(self.door, ANN, 0, who=Principal("anna")))
            end()
            self.assertEqual(("closed", "anna"), (self.events[-1].kind, self.events[-1].who.name))
        reasons = [each.reason for each in self.events if each.kind == "closed"]
        self.assertEqual(["at the request of anna", "its time is over"], reasons)

    def test_askedBeforeItOpened(self) -> None:
        """
        If the firewall refuses to open until a close is requested, the log says so, with the
        reason.
        """
        self.firewall.failures = [BUSY]
        self.request()
        self.close(who="bob")
        self.assertEqual(
            "door default (22/tcp) never opened for 203.0.113.9: at the request of bob",
            self.log.lines()[-1],
        )

    def test_openedTooLate(self) -> None:
        """An opening that is closed while the firewall still opens it is not logged as opened."""
        self.firewall.holding = True
        self.request()
        self.close(who="bob")
        self.firewall.holding = False
        self.firewall.answer()
        self.assertEqual(["unopened"], [each.kind for each in self.events])
        self.assertEqual(({}, []), (self.firewall.open_(), self.openings()))

    def test_closes(self) -> None:
        """A close ends the opening at once, and leaves nothing."""
        self.request(600)
        self.clock.advance(10)
        self.close()
        self.assertEqual(["open 203.0.113.9 until 600", "close 203.0.113.9"], self.calls())
        self.clock.advance(0)
        self.assertEqual(([], []), (self.openings(), self.clock.getDelayedCalls()))
        self.assertEqual("closed door default (22/tcp) for 203.0.113.9", self.log.lines()[-1])

    def test_notAnothers(self) -> None:
        """
        No key closes what another key, or the operator, opened: two people may share an address,
        and the address of a datagram may be faked.
        """
        anna, bob = Principal("anna", "SHA256:a"), Principal("anna", "SHA256:b")
        for opener in (anna, OPERATOR):
            self.keeper.request(Request(self.door, ANN, 600, who=opener))
            self.keeper.request(Request(self.door, ANN, 0, who=bob, close=True))
            self.assertEqual([(ANN, 600.0 + self.clock.seconds())], self.openings())
            self.assertIn(
                f"anna (SHA256:b) cannot close what {opener} opened", self.log.lines()[-1]
            )
            self.clock.advance(600)
        self.keeper.request(Request(self.door, ANN, 600, who=anna))
        self.keeper.request(Request(self.door, ANN, 0, who=replace(anna, name=""), close=True))
        self.assertEqual([], self.openings())

    def ask(self, who: Principal, seconds: int = 0) -> None:
        """Ask as a principal to open; without a time, to close."""
        self.keeper.request(Request(self.door, ANN, seconds, who=who, close=not seconds))
        self.clock.advance(0)

    def test_prolonged(self) -> None:
        """
        A key that prolongs what another one opened, and closes it, takes nothing away: the firewall
        gets the earlier deadline again.
        """
        anna, bob = Principal("anna", "SHA256:a"), Principal("bob", "SHA256:b")
        for opener in (anna, OPERATOR):
            until = self.clock.seconds() + 600
            self.ask(opener, 600)
            self.ask(bob, 900)
            self.assertEqual({ANN: until + 300}, self.firewall.open_())
            self.ask(bob)
            self.assertEqual(
                ({ANN: until}, [(ANN, until)]), (self.firewall.open_(), self.openings())
            )
            self.assertRegex(
                self.log.lines()[-1],
                r"shortened at the request of bob \(SHA256:b\): door default .* \(10m\), "
                rf"by {re.escape(str(opener))}$",
            )
            self.ask(bob)
            self.assertIn("bob (SHA256:b) cannot close what", self.log.lines()[-1])
            self.clock.advance(600)
            self.assertEqual(({}, []), (self.firewall.open_(), self.openings()))

    def test_shorterClaim(self) -> None:
        """Nor does the key whose opening lasts longer, if the other one knocked after it."""
        anna, bob = Principal("anna", "SHA256:a"), Principal("bob", "SHA256:b")
        self.ask(bob, 900)
        self.ask(anna, 600)
        self.ask(bob)
        self.assertEqual({ANN: 600.0}, self.firewall.open_())
        self.ask(anna)
        self.assertEqual(({}, []), (self.firewall.open_(), self.openings()))

    def test_bothClose(self) -> None:
        """If both close, in any order, nothing stays open; nor if the operator does."""
        anna, bob = Principal("anna", "SHA256:a"), Principal("bob", "SHA256:b")
        for closers in ((anna, bob), (bob, anna), (bob, anna, bob)):
            self.ask(anna, 600)
            self.ask(bob, 900)
            self.ask(anna, 300)
            for who in closers:
                self.ask(who)
            self.assertEqual(({}, []), (self.firewall.open_(), self.openings()), closers)
            self.clock.advance(2)
        self.ask(anna, 600)
        self.ask(bob, 900)
        self.keeper.close([(self.door.name, ip_address(ANN))], OPERATOR)
        self.clock.advance(0)
        self.assertEqual(({}, []), (self.firewall.open_(), self.openings()))
        self.ask(bob, 60)
        self.ask(bob)
        self.assertEqual(({}, []), (self.firewall.open_(), self.openings()))

    def test_overEarlier(self) -> None:
        """What the other one earned is not prolonged by that."""
        anna, bob = Principal("anna", "SHA256:a"), Principal("bob", "SHA256:b")
        self.ask(anna, 60)
        self.ask(bob, 900)
        self.clock.advance(61)
        self.ask(bob)
        self.assertEqual(({}, []), (self.firewall.open_(), self.openings()))

    def test_prolongedWhileBusy(self) -> None:
        """It is so, too, if the firewall has not answered to the longer time."""
        anna, bob = Principal("anna", "SHA256:a"), Principal("bob", "SHA256:b")
        self.ask(anna, 600)
        self.firewall.holding = True
        self.ask(bob, 900)
        self.ask(bob)
        self.firewall.holding = False
        self.firewall.answer()
        self.clock.advance(0)
        self.assertEqual({ANN: 600.0}, self.firewall.open_())
        self.clock.advance(600)
        self.assertEqual(({}, []), (self.firewall.open_(), self.openings()))

    def test_onlyItsOwn(self) -> None:
        """A close leaves openings of other sources alone."""
        self.request()
        self.request(source=BOB)
        self.close()
        self.assertEqual({BOB: 30.0}, self.firewall.open_())
        self.assertEqual([(BOB, 30.0)], self.openings())

    def test_onlyThatDoor(self) -> None:
        """A close leaves the same source's opening of another door alone."""
        other = makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
        self.keeper = self.makeKeeper(self.door, other)
        self.request()
        self.keeper.request(Request(other, ANN, 0))
        self.close(door=other)
        self.assertEqual(["default"], [each.door.name for each in self.keeper.openings()])

    def test_nothingIsOpen(self) -> None:
        """A close of nothing is ignored: no call, no line, no opening."""
        self.close()
        self.request(source=BOB)
        self.calls()
        self.close()
        self.assertEqual(([], [(BOB, 30.0)]), (self.calls(), self.openings()))
        self.assertEqual(1, len(self.log.lines()))

    def test_twice(self) -> None:
        """A second close does nothing."""
        self.request()
        self.close()
        self.calls()
        self.close()
        self.assertEqual(([], 2), (self.calls(), len(self.log.lines())))

    def test_opensAgain(self) -> None:
        """After a close the door can be opened again."""
        self.request()
        self.close()
        self.clock.advance(5)
        self.request()
        self.assertEqual({ANN: 35.0}, self.firewall.open_())

    def test_whileItOpens(self) -> None:
        """A close cancels an opening that the firewall is still busy with, and closes it."""
        self.firewall.holding = True
        for self.firewall.hasBegun in (False, True):
            self.request()
            self.close()
            self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
            self.firewall.answerAll()
            self.assertEqual({}, self.firewall.open_())
        self.assertEqual(2, "".join(self.log.lines()).count("never opened"))

    def test_whileItCloses(self) -> None:
        """A client that knocks while its opening closes is let in again."""
        self.request()
        self.firewall.holding = True
        self.close()
        self.request(60)
        self.firewall.holding = False
        self.firewall.answer()
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_neverOpened(self) -> None:
        """A close gives up an opening that the firewall refuses, and still takes it back."""
        self.firewall.failures = [BUSY]
        self.request()
        self.close()
        self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
        self.clock.advance(60)
        self.assertEqual(([], []), (self.calls(), self.openings()))

    def test_reasonIsForgotten(self) -> None:
        """
        If a client is let in again during a close, a later closing does not name who asked for the
        first.
        """
        self.request()
        self.firewall.failures = [BUSY]
        self.close(who="anna")
        self.request()
        self.clock.advance(30)
        self.assertEqual("closed door default (22/tcp) for 203.0.113.9", self.log.lines()[-1])

    def test_reasonWhileItCloses(self) -> None:
        """The log says who asked to close even if a client is let in again meanwhile."""
        self.request()
        self.firewall.holding = True
        self.close(who="anna")
        self.request(60)
        self.firewall.holding = False
        self.firewall.answer()
        self.assertIn(
            "closed door default (22/tcp) for 203.0.113.9, at the request of anna", self.log.lines()
        )

    def test_fails(self) -> None:
        """
        A failed close is tried again until it succeeds; meanwhile the opening does not count as
        open.
        """
        self.request()
        self.firewall.failures = [BUSY, BUSY]
        self.close()
        self.assertEqual([], self.openings())
        self.clock.pump([1.0] * 5)
        self.assertEqual(3, self.calls().count("close 203.0.113.9"))
        self.assertEqual([CANNOT_CLOSE], self.log.lines(LogLevel.error))

    def test_whenFull(self) -> None:
        """A close works even if no more can be opened."""
        self.door = makeDoor(mostOpenings=1)
        self.keeper = self.makeKeeper(self.door)
        self.request()
        self.close()
        self.assertEqual({}, self.firewall.open_())

    def test_takenOver(self) -> None:
        """An opening that an earlier daemon left can be closed."""
        self.firewall.before = [makeOpening(ANN, deadline=12.0)]
        self.keeper.start()
        self.close()
        self.assertEqual(["start", "close 203.0.113.9"], self.calls())
