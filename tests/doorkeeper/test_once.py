"""Tests of openings for one connection, and of L{pkdoors.doorkeeper.openings.uses}."""

from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred

from pkdoors.doorkeeper.openings.uses import LOST, PACE
from pkdoors.events.event import CLOSED, EXTENDED, OPENED, TAKEN_OVER, USED
from pkdoors.locks.lock import Request
from pkdoors.model.doors import Opening
from pkdoors.model.principal import OPERATOR, Principal
from pkdoors.model.sources import Source
from tests.doorkeeper.case import ANN, BOB, KeeperTestCase
from tests.fakes.doors import makeDoor

KEY: tuple[str, Source] = ("default", ip_address(ANN))


class OnceTestCase(KeeperTestCase):
    """
    A test with a door of which an opening is for one connection.
    """

    def setUp(self) -> None:
        """Make the door."""
        super().setUp()
        self.door = makeDoor(once=True)
        self.keeper = self.makeKeeper(self.door)

    def kinds(self) -> list[str]:
        """Return the kinds of the events since the last time."""
        kinds = [event.kind for event in self.events]
        self.events.clear()
        return kinds

    def open(self, source: str = ANN) -> None:
        """Open the door, and forget what that published."""
        self.request(source=source)
        self.calls()
        self.events.clear()

    def use(self, seconds: float = PACE) -> None:
        """Use the opening, and wait."""
        self.firewall.used.add(KEY)
        self.clock.advance(seconds)

    def isUsed(self) -> bool | None:
        """Return whether the opening is used; L{None} if there is none."""
        status = self.keeper.status(*KEY)
        return status.isUsed if status else None

    def start(self, *left: Opening) -> None:
        """Start."""
        self.firewall.before = list(left)
        self.keeper.start()
        self.calls()

    def change(self, **door: Any) -> None:
        """Reload."""
        self.door = makeDoor(**door)
        self.successResultOf(Deferred.fromCoroutine(self.keeper.change((self.door,))))
        self.clock.advance(0)


class OnceTests(OnceTestCase):
    """
    Tests of L{UseWatch}, and of what openings do with its findings.
    """

    def test_used(self) -> None:
        """A used opening is closed at once, once, and shown as used until its time is over."""
        self.start()
        self.open()
        self.assertIs(False, self.isUsed())
        self.use()
        self.assertEqual([f"close {ANN}"], self.calls())
        self.assertEqual([USED], self.kinds())
        self.assertIs(True, self.isUsed())
        self.assertEqual([], self.openings())
        self.clock.advance(28)
        self.assertIs(True, self.isUsed())
        self.clock.advance(1.1)
        self.assertIs(None, self.isUsed())
        self.assertEqual(([], []), (self.calls(), self.kinds()))

    def test_another(self) -> None:
        """
        If another key knocks right after the use, it gets no more time than it may have; its knock
        does not shorten an opening that is not used.
        """
        anna, bob = Principal("anna", "SHA256:a"), Principal("bob", "SHA256:b")
        self.start()
        for used, until in (({KEY}, 10.0), (set[Any](), 600.0)):
            self.keeper.request(Request(self.door, ANN, 600, who=anna))
            self.firewall.used = {*used}
            self.keeper.request(Request(self.door, ANN, 600, most=10.0, who=bob))
            self.assertEqual([(ANN, until)], self.openings())
            self.keeper.close([KEY], OPERATOR)
            self.clock.pump([0, 0])
            self.assertEqual([], self.openings())

    def test_line(self) -> None:
        """The log says so."""
        self.start()
        self.open()
        log = self.log.lines()
        self.use()
        self.assertEqual(
            [f"door default (22/tcp) for {ANN} is used up: its one connection has begun"],
            self.log.lines()[len(log) :],
        )

    def test_unused(self) -> None:
        """One that nobody uses ends as any other."""
        self.start()
        self.open()
        self.clock.pump([PACE] * 31)
        self.assertEqual(([f"close {ANN}"], [CLOSED]), (self.calls(), self.kinds()))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_statusLooks(self) -> None:
        """A status is never out of date."""
        self.start()
        self.open()
        self.firewall.used.add(KEY)
        (status,) = self.statuses()
        self.assertTrue(status.isUsed)

    def test_lost(self) -> None:
        """
        One that the firewall has lost is closed, not used: nobody knows whether it was. Nor is it
        given back.
        """
        self.start()
        self.open()
        self.firewall.forget()
        self.clock.advance(PACE)
        self.assertIs(None, self.isUsed())
        closed = [event for event in self.events if event.kind == CLOSED]
        self.assertEqual([LOST], [event.reason for event in closed])

    def test_notHealed(self) -> None:
        """A used one is not put back."""
        self.start()
        self.open()
        self.open(BOB)
        self.use()
        self.calls()
        self.firewall.lost("nft changed the guard")
        self.clock.advance(0)
        self.assertIn(f"restore {BOB} until 30", self.calls())

    def test_again(self) -> None:
        """Another knock makes a new opening of a used one, even if it asks for less time."""
        self.start()
        self.request(20)
        self.events.clear()
        self.use()
        self.kinds()
        self.firewall.used.clear()
        self.request(5)
        self.assertEqual(([OPENED], False), (self.kinds(), self.isUsed()))
        self.assertEqual([(ANN, PACE + 5)], self.openings())

    def test_eachKnockIsNew(self) -> None:
        """
        A knock while the door is open makes a new opening, too, which does not end earlier: the
        old one may have been used a moment ago.
        """
        self.start()
        grants = []
        for seconds, deadline in ((20, 20.0), (5, 20.0), (30, 30.0)):
            self.request(seconds)
            (opening,) = self.keeper.openings()
            grants.append(opening.grant)
            self.assertEqual(deadline, opening.deadline)
        self.assertEqual(len(grants), len(set(grants)))
        self.assertEqual([OPENED, EXTENDED, EXTENDED], self.kinds()[-3:])

    def test_sameOwner(self) -> None:
        """A knock for less time does not make somebody else's opening one's own."""
        bob = Principal("bob", "SHA256:bob")
        self.start()
        self.keeper.request(Request(self.door, ANN, 20, who=OPERATOR))
        self.keeper.request(Request(self.door, ANN, 5, who=bob))
        (opening,) = self.keeper.openings()
        self.assertEqual((OPERATOR, 20.0), (opening.who, opening.deadline))
        self.keeper.request(Request(self.door, ANN, 30, who=bob))
        (opening,) = self.keeper.openings()
        self.assertEqual((bob, 30.0), (opening.who, opening.deadline))

    def test_retryIsNotNew(self) -> None:
        """Trying again what the firewall refused grants nothing new."""
        self.start()
        self.firewall.failures = [OSError("no"), OSError("no")]
        self.request()
        self.flushLoggedErrors(OSError)
        before = self.keeper.status(*KEY)
        self.clock.pump([1.0] * 4)
        after = self.keeper.status(*KEY)
        assert before and after
        self.assertEqual(before.opening.grant, after.opening.grant)
        self.assertTrue(after.isOpenAt(self.clock.seconds()))

    def test_usedWhileItChanges(self) -> None:
        """What was used before a knock that the firewall has yet to grant does not use that up."""
        self.start()
        self.open()
        self.firewall.holding = True
        self.request(60)
        self.firewall.used.add(KEY)
        self.statuses()
        self.assertIs(False, self.isUsed())
        self.firewall.used.clear()
        self.firewall.holding = False
        self.firewall.answer()
        self.clock.advance(PACE)
        self.assertEqual([(ANN, 60.0)], self.openings())

    def test_closed(self) -> None:
        """The operator can close a used one, which then is not shown any more."""
        self.start()
        self.open()
        self.use()
        closing = self.keeper.close([KEY], OPERATOR)
        self.clock.advance(0)
        self.successResultOf(closing.done)
        self.assertIs(None, self.isUsed())

    def test_takenOver(self) -> None:
        """What an earlier daemon left can be used, too."""
        self.start(Opening(self.door, ip_address(ANN), 10.0))
        self.assertIn(TAKEN_OVER, self.kinds())
        self.use()
        self.assertEqual(([USED], True), (self.kinds(), self.isUsed()))

    def test_stop(self) -> None:
        """Nothing is looked for after the end."""
        self.start()
        self.open()
        self.successResultOf(Deferred.fromCoroutine(self.keeper.stop()))
        self.assertEqual([], self.clock.getDelayedCalls())


class CarryOverTests(OnceTestCase):
    """
    Tests of what becomes of openings when a door changes.
    """

    def test_toMany(self) -> None:
        """Openings for one connection do not become openings for many, used or not."""
        self.start()
        self.open()
        self.open(BOB)
        self.use()
        self.change(once=False)
        self.assertEqual(([], []), (self.openings(), self.statuses()))

    def test_toOnce(self) -> None:
        """Openings for many connections become openings for one, which are looked after."""
        self.door = makeDoor()
        self.keeper = self.makeKeeper(self.door)
        self.start()
        self.open()
        self.change(once=True)
        self.assertEqual([(ANN, 30.0)], self.openings())
        self.use()
        self.assertEqual(True, self.isUsed())

    def test_same(self) -> None:
        """Otherwise they remain; those that were used are forgotten."""
        self.start()
        self.open()
        self.open(BOB)
        self.use()
        self.change(once=True, openFor=7.0)
        self.assertEqual([(BOB, 30.0)], self.openings())
        self.assertIs(None, self.isUsed())
