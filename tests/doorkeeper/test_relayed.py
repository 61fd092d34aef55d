"""Tests of L{pkdoors.doorkeeper.doorkeeper}: what a fleet of hosts needs."""

from collections.abc import Callable
from dataclasses import replace

from twisted.internet.defer import Deferred

from pkdoors.doorkeeper._opener import STOPPING
from pkdoors.doorkeeper.outcome import Outcome
from pkdoors.errors import FirewallError
from pkdoors.locks.lock import Request
from pkdoors.model.doors import Opening
from pkdoors.model.principal import OPERATOR, Principal
from tests.doorkeeper.case import ANN, BOB, BUSY, KeeperTestCase
from tests.fakes.daemon import TODAY
from tests.fakes.doors import makeDoor

ANNA, CARL = Principal("anna", "SHA256:anna"), Principal("carl", "SHA256:carl")
SEAL = b"pkdoors1 a seal"
BEGAN = TODAY - 100
"""When the first knock was made."""


class RelayedCase(KeeperTestCase):
    """
    A doorkeeper of one host of a fleet.
    """

    def setUp(self) -> None:
        """See L{KeeperTestCase}."""
        super().setUp()
        self.seals: list[tuple[float, Request]] = []
        self.keeper.seals.onSeal = lambda request: self.seals.append(
            (self.clock.seconds(), request)
        )

    def relay(self, seconds: float = 0, until: float = 0, **fields: object) -> Outcome:
        """Request what a relayed seal does."""
        wanted = Request(self.door, ANN, seconds, who=ANNA, until=until, since=BEGAN, via="gate1")
        return self.keeper.request(replace(wanted, **fields))  # type: ignore[arg-type]


class UntilTests(RelayedCase):
    """
    The latest deadline.
    """

    def test_until(self) -> None:
        """An opening ends at the latest deadline, and no later than it would without."""
        self.assertEqual(Outcome("opened"), self.relay(60, until=20))
        self.assertEqual([(ANN, 20)], self.openings())
        self.assertEqual(Outcome("opened"), self.relay(60, until=1000, source=BOB))
        self.assertEqual([(ANN, 20), (BOB, 60)], self.openings())

    def test_over(self) -> None:
        """If the latest deadline is past, nothing opens, and the log has no line."""
        self.clock.advance(20)
        self.assertEqual(Outcome("over"), self.relay(60, until=20))
        self.assertEqual([], self.openings() + self.log.lines() + self.calls())

    def test_again(self) -> None:
        """One seal that is judged again ends at the same time, whatever its clocks say."""
        self.relay(60, until=20)
        for until in (20.0, 20.9, 19.5):
            self.assertEqual(Outcome("nothing"), self.relay(60, until=until))
        self.assertEqual([(ANN, 20)], self.openings())
        self.assertEqual(1, len(self.log.lines()))

    def test_extended(self) -> None:
        """Another seal moves the deadline, but never to an earlier time."""
        self.relay(60, until=20)
        self.assertEqual(Outcome("extended"), self.relay(60, until=20.5, since=BEGAN + 1))
        self.assertEqual(Outcome("nothing"), self.relay(60, until=10, since=BEGAN + 2))
        self.assertEqual([(ANN, 20.5)], self.openings())

    def test_refused(self) -> None:
        """A request that is refused comes with the reason."""
        for source in ("127.0.0.1", "224.0.0.1"):
            outcome = self.relay(source=source)
            self.assertEqual("refused", outcome.result)
            self.assertIn(outcome.reason, self.log.lines()[-1])

    def test_stopping(self) -> None:
        """When the doorkeeper has let go, nothing is asked of a firewall any more."""
        self.successResultOf(Deferred.fromCoroutine(self.keeper.stop()))
        self.calls()
        outcomes = [self.relay(), self.relay(close=True), self.relay(seal=SEAL)]
        self.assertEqual([Outcome("refused", STOPPING)] * 3, outcomes)
        self.assertEqual([], self.calls())
        self.assertEqual([], [*map(str, self.clock.getDelayedCalls())])
        with self.assertRaises(FirewallError) as caught:
            self.keeper.open(Request(self.door, ANN, 0, who=OPERATOR))
        self.assertEqual(STOPPING, str(caught.exception))

    def test_closed(self) -> None:
        """A request to close ends what its key opened."""
        self.relay()
        self.assertEqual(Outcome("closed"), self.relay(close=True))
        self.assertEqual([], self.openings())

    def test_closedAgain(self) -> None:
        """
        A relayed seal that closes, and comes again later, ends nothing that its key earned after
        it; one that is heard here ends all.
        """
        self.relay()
        self.relay(close=True, since=BEGAN + 1)
        self.relay(60, since=BEGAN + 2)
        self.relay(close=True, since=BEGAN + 1, via="")
        self.assertEqual([(ANN, 60)], self.openings())
        self.relay(close=True, since=BEGAN + 1, via="", seal=SEAL)
        self.assertEqual([], self.openings())

    def test_closedForOthers(self) -> None:
        """A relayed seal of a key that opened nothing here closes nothing, without a line."""
        self.relay()
        count = len(self.log.lines())
        self.relay(close=True, who=CARL, since=BEGAN + 1)
        self.assertEqual(([(ANN, 30)], count), (self.openings(), len(self.log.lines())))


class ViaTests(RelayedCase):
    """
    The host that heard the knock.
    """

    def test_lines(self) -> None:
        """The lines of an opening name it, and so does the event."""
        self.relay()
        self.assertTrue(self.log.lines()[-1].endswith(", by anna (SHA256:anna), via gate1"))
        self.relay(60, since=BEGAN + 1)
        self.assertTrue(self.log.lines()[-1].startswith("extended door"))
        self.assertTrue(self.log.lines()[-1].endswith(", via gate1"))
        self.assertEqual(["gate1"] * 2, [event.via for event in self.events])

    def test_own(self) -> None:
        """The log of a host's own openings is as ever."""
        self.relay(via="")
        self.assertTrue(self.log.lines()[-1].endswith(", by anna (SHA256:anna)"))


class SealTests(RelayedCase):
    """
    What is reported to the other hosts.
    """

    def test_opened(self) -> None:
        """A seal is reported once its door is open."""
        self.firewall.holding = True
        self.relay(seal=SEAL)
        self.assertEqual([], self.seals)
        self.firewall.answer()
        self.assertEqual([SEAL], [request.seal for _, request in self.seals])

    def test_atOnce(self) -> None:
        """If the firewall answers at once, so is the report; and again when it is extended."""
        self.relay(seal=SEAL)
        self.relay(60, seal=SEAL, since=BEGAN + 1)
        self.relay(10, seal=SEAL, since=BEGAN + 2)
        self.assertEqual([0.0] * 3, [time for time, _ in self.seals])

    def test_busyFirewall(self) -> None:
        """A firewall that refuses does not keep the seal from other hosts."""
        self.firewall.failures = [BUSY]
        self.relay(seal=SEAL)
        self.assertEqual(1, len(self.seals))

    def test_closed(self) -> None:
        """A seal that closes is reported, even if nothing is open here."""
        self.relay(seal=SEAL, close=True)
        self.assertTrue(self.seals[0][1].close)

    def test_refused(self) -> None:
        """A seal that is refused is not reported, and neither is a request without one."""
        self.assertEqual("refused", self.relay(seal=SEAL, source="127.0.0.1").result)
        self.relay()
        self.clock.advance(60)
        self.assertEqual([], self.seals)

    def test_mistake(self) -> None:
        """A mistake in the report does no harm to the door."""

        def fail(request: Request) -> None:
            raise ValueError("no")

        self.keeper.seals.onSeal = fail
        self.assertEqual(Outcome("opened"), self.relay(seal=SEAL))
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))
        self.assertEqual([(ANN, 30)], self.openings())

    def test_heldBack(self) -> None:
        """A request with a seal can be held back when it is heard; others cannot."""
        held: list[Request] = []

        def hold(request: Request) -> bool:
            held.append(request)
            return True

        self.keeper.holdsBack = hold
        sealed = Request(self.door, ANN, 0, who=ANNA, seal=SEAL)
        self.keeper.heed([sealed, Request(self.door, BOB, 0)])
        self.assertEqual([sealed], held)
        self.assertEqual([(BOB, 30)], self.openings())
        self.keeper.request(sealed)
        self.assertEqual(2, len(self.openings()))


class CloseOlderTests(RelayedCase):
    """
    What an order to close does.
    """

    def close(self, stamp: float, matches: Callable[[Opening], bool] = lambda opening: True) -> int:
        """Close what is older, in all turns that it takes; return how many were found."""
        done = self.keeper.closeOlder(matches, stamp, "by order of olga")
        self.clock.pump([0] * 200)
        return self.successResultOf(done)

    def test_stamp(self) -> None:
        """Only what began before the stamp ends."""
        self.relay()
        self.relay(source=BOB, since=BEGAN + 5)
        self.assertEqual(1, self.close(BEGAN + 5))
        self.assertEqual([(BOB, 30)], self.openings())
        self.assertIn(
            "closed door default (22/tcp) for 203.0.113.9, by order of olga", self.log.lines()
        )

    def test_ahead(self) -> None:
        """What is open has begun, even if the stamp of its seal is ahead."""
        self.relay(since=TODAY + 50)
        self.clock.advance(10)
        self.relay(source=BOB, since=TODAY + 60)
        self.assertEqual(1, self.close(TODAY + 5))
        self.assertEqual([(BOB, 40)], self.openings())

    def test_matches(self) -> None:
        """Only what matches ends."""
        self.relay()
        self.relay(source=BOB, who=CARL)
        self.assertEqual(1, self.close(BEGAN + 5, lambda opening: opening.who.key == CARL.key))
        self.assertEqual([(ANN, 30)], self.openings())

    def test_shared(self) -> None:
        """What others have earned at an opening goes on, as long as they earned it."""
        self.relay(20)
        self.relay(60, who=CARL, since=BEGAN + 1)
        self.assertEqual(1, self.close(BEGAN + 9, lambda opening: opening.who.key == CARL.key))
        self.assertEqual([(ANN, 20)], self.openings())
        self.assertEqual(1, self.close(BEGAN + 9))
        self.assertEqual([], self.openings())

    def test_sharedShorter(self) -> None:
        """The claim of a key ends, too, so it does not come back when a longer one ends."""
        self.relay(20, who=CARL)
        self.relay(60, since=BEGAN + 1)
        self.assertEqual(0, self.close(BEGAN + 9, lambda opening: opening.who.key == CARL.key))
        self.keeper.request(Request(self.door, ANN, 0, who=ANNA, close=True))
        self.assertEqual([], self.openings())

    def test_undated(self) -> None:
        """What an operator opened has no stamp, unless the host belongs to a fleet."""
        self.keeper.request(Request(self.door, ANN, 0, who=OPERATOR))
        self.keeper.dateOpenings(True)
        self.clock.advance(5)
        self.keeper.request(Request(self.door, BOB, 0, who=OPERATOR))
        self.assertEqual(1, self.close(TODAY + 3))
        self.assertEqual([(BOB, 35)], self.openings())

    def test_many(self) -> None:
        """Very many are closed in steps; what is opened by a newer seal meanwhile stays open."""
        self.door = makeDoor()
        sources = [f"198.51.{high}.{low}" for high in range(4) for low in range(1, 251)]
        for source in sources:
            self.relay(source=source)
        self.calls()
        done = self.keeper.closeOlder(lambda opening: True, BEGAN + 5, "by order of olga")
        self.assertNoResult(done)
        for source in (sources[0], sources[-1]):  # one was looked at already, one was not
            self.relay(60, source=source, since=BEGAN + 6)
        self.clock.pump([0] * 200)
        self.assertEqual(999, self.successResultOf(done))
        self.assertEqual([(sources[0], 60), (sources[-1], 60)], self.openings())
