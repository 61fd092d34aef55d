"""Tests of L{pkdoors.doorkeeper.admission}."""

from pkdoors.doorkeeper import admission
from pkdoors.doorkeeper.admission import MAX_OPENED, MAX_OPENINGS
from pkdoors.locks.lock import Request
from pkdoors.model.principal import OPERATOR, Principal
from tests.doorkeeper.case import ANN, BOB, KeeperTestCase
from tests.fakes.doors import makeDoor


class BoundTests(KeeperTestCase):
    """
    The limits to the number of openings.
    """

    def test_bound(self) -> None:
        """
        The limits are four thousand openings of a door, and fifteen hundred new ones a second.
        """
        self.assertEqual((4096, 1500), (MAX_OPENINGS, MAX_OPENED))

    def test_eachDoor(self) -> None:
        """The openings of one door do not use up those of another."""
        self.patch(admission, "MAX_OPENINGS", 1)
        web = makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
        self.keeper = self.makeKeeper(self.door, web)
        for door in (self.door, web, web):
            self.keeper.request(Request(door, ANN if door is web else BOB, 0))
        self.assertEqual([(BOB, 30.0), (ANN, 30.0)], self.openings())

    def test_fast(self) -> None:
        """Knocks beyond the rate are refused, and the operator hears why."""
        self.patch(admission, "MAX_OPENED", 2)
        self.keeper = self.makeKeeper(self.door)
        for last in range(4):
            self.request(source=f"10.0.0.{last}")
        self.assertEqual(2, len(self.openings()))
        self.assertEqual(
            "refused door default (22/tcp) for 10.0.0.2: 2 opened in a second, which is the most: "
            "do others know its sequence",
            self.log.lines()[-2],
        )
        self.clock.advance(0.5)
        for last in range(4, 6):
            self.request(source=f"10.0.0.{last}")
        self.assertEqual(3, len(self.openings()))

    def test_fastWithName(self) -> None:
        """The rate does not apply to clients that are known by a seal, or to the operator."""
        self.patch(admission, "MAX_OPENED", 0)
        self.keeper = self.makeKeeper(self.door)
        self.keeper.request(Request(self.door, ANN, 0, who=OPERATOR))
        self.keeper.request(Request(self.door, BOB, 0, who=Principal("anna@laptop")))
        self.request(source="10.0.0.1")
        self.assertEqual([ANN, BOB], [source for source, _ in self.openings()])

    def test_fastAgain(self) -> None:
        """Clients that are in, and knock again and again, have a rate of their own."""
        self.patch(admission, "MAX_OPENED", 3)
        self.keeper = self.makeKeeper(self.door)
        for seconds in range(31, 41):
            self.request(seconds)
        self.assertEqual([(ANN, 34.0)], self.openings())
        self.assertIn("3 opened in a second, which is the most", self.log.lines()[-1])
        self.request(source=BOB)
        self.assertEqual([(ANN, 34.0), (BOB, 30.0)], self.openings())

    def test_full(self) -> None:
        """One opening more than the maximum is refused, and the operator hears of it."""
        self.patch(admission, "MAX_OPENINGS", 2)
        for source in (ANN, BOB, "10.0.0.1"):
            self.request(source=source)
        self.assertEqual({ANN: 30.0, BOB: 30.0}, self.firewall.open_())
        self.assertEqual(
            "refused door default (22/tcp) for 10.0.0.1: 2 openings already, which is the most",
            self.log.lines()[-1],
        )

    def test_extensionWhenFull(self) -> None:
        """A client that is in can extend its opening even if there are as many as possible."""
        self.patch(admission, "MAX_OPENINGS", 1)
        self.request()
        self.request(60)
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_placeIsGivenBack(self) -> None:
        """A closing makes room."""
        self.patch(admission, "MAX_OPENINGS", 1)
        self.request()
        self.clock.advance(30)
        self.request(source=BOB)
        self.assertEqual({BOB: 60.0}, self.firewall.open_())
