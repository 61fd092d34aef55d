"""Tests of L{pkdoors.doorkeeper.doorkeeper}: requests from locks that know who knocks."""

from typing import Any

from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.stack import FirewallStack
from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Lock, Refusal, Request
from pkdoors.locks.tries import Tries
from pkdoors.model.doors import Door
from pkdoors.model.principal import Principal
from tests.doorkeeper.case import ANN, BOB, KeeperTestCase
from tests.fakes.doors import PORTS, knocks


class KnownKnockerTests(KeeperTestCase):
    """
    Requests from locks that know who knocks.
    """

    def ask(self, **fields: Any) -> None:
        """Request an opening, as a lock does."""
        defaults: dict[str, Any] = {"door": self.door, "source": ANN, "seconds": 0}
        fields["who"] = Principal(fields.get("who", ""))
        self.keeper.request(Request(**(defaults | fields)))

    def test_most(self) -> None:
        """A client with a limit of its own gets no more than that."""
        self.ask(seconds=900, most=600.0)
        self.assertEqual({ANN: 600.0}, self.firewall.open_())

    def test_mostOfTheDefault(self) -> None:
        """The limit applies to the door's own time, too."""
        self.ask(most=10.0)
        self.assertEqual({ANN: 10.0}, self.firewall.open_())

    def test_mostIsNoWish(self) -> None:
        """A limit above the door's maximum gives no more than the door allows."""
        self.ask(seconds=60, most=600.0)
        self.ask(seconds=999_999, most=999_999.0, source=BOB)
        self.assertEqual({ANN: 60.0, BOB: 3600.0}, self.firewall.open_())

    def test_mostShortensNothing(self) -> None:
        """A client with a lower limit does not shorten an opening; only a close does."""
        self.ask(seconds=900)
        self.ask(most=10.0)
        self.assertEqual({ANN: 900.0}, self.firewall.open_())

    def test_who(self) -> None:
        """The line of an opening ends with the name of the client."""
        self.ask(who="anna (SHA256:x)")
        self.assertEqual(
            [
                "opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:00:30 (30s), "
                "by anna (SHA256:x)"
            ],
            self.log.lines(),
        )

    def test_whoExtends(self) -> None:
        """The line of an extension ends with the name of the client that extended it."""
        self.ask(who="anna")
        self.ask(who="bob", seconds=60)
        self.assertTrue(self.log.lines()[-1].endswith("08:01:00 (1m), by bob"))

    def test_nobodyKnows(self) -> None:
        """If the client is unknown, the line does not mention one."""
        self.ask(who="anna")
        self.ask(seconds=60)
        self.assertTrue(self.log.lines()[-1].endswith("08:01:00 (1m)"))

    def test_braces(self) -> None:
        """A key's comment is never used as a format."""
        self.ask(who="{door} {0}")
        self.assertTrue(self.log.lines()[0].endswith(", by {door} {0}"))

    def test_timeOfDay(self) -> None:
        """A lock gets the time of day beside the clock that does not jump."""
        heard: list[tuple[Knock, float, float]] = []

        class Listening:
            door = self.door
            tries = Tries()

            def knock(self, knock: Knock, now: float, today: float) -> Request | Refusal | None:
                heard.append((knock, now, today))
                return None

            def explain(self, knock: Knock, now: float) -> str:
                return ""

            def __len__(self) -> int:
                return 0

        def makeLock(door: Door) -> Lock:
            return Listening()

        stack = FirewallStack(self.clock, [self.firewall])
        keeper = Doorkeeper(self.clock, stack, [self.door], EventPublisher(lambda: 1.8e9), makeLock)
        self.clock.advance(7)
        (knock,) = knocks(ANN, PORTS[0], datagram=b"pkdoors1 default ")
        keeper.knock(knock)
        self.assertEqual([(knock, 7.0, 1.8e9)], heard)
